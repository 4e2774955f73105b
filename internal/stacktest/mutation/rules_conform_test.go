package mutation_test

// conformRules are those that a replay of recorded runs in the model of the protocol
// notices, and a few that the model has beside.
var conformRules = []broken{
	{
		rule: "a slot that another connection has taken over ends with its guard",
		file: "dflockd/rescue.go",
		old:  "\t\tc.arm(at) // a guard can pass",
		new:  "\t\t_ = at // a guard can pass",
		test: "dflockd.TestASlotThatIsRenewedOverAnotherConnectionEndsWithItsGuard",
	},
	{
		rule: "a slot that was taken back is free when its lease ends, and not at once",
		file: "dflockd/internal/locktable/pause.go",
		old:  "\tcl.origin |= revoked\n",
		new:  "\tt.release(cl, trace.Release)\n",
		test: "dflockd/server.TestASlotThatIsTakenBackIsRenewedNoMoreAndFreeWhenItsLeaseEnds",
	},
}
