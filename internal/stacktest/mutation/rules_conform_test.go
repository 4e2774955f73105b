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
	{
		rule: "the replay notices a lease that counts from the receipt of its answer",
		file: "dflockd/grant.go",
		old:  "return lease.Lease{From: sent, Length: time.Duration(seconds) * time.Second}, nil",
		new:  "return lease.Lease{From: time.Now(), Length: time.Duration(seconds) * time.Second}, nil",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a grant that is old and not confirmed",
		file: "dflockd/grant.go",
		old:  "if cl.route != routeBack && !l.Spent(cl.asked, now) {",
		new:  "if true || !l.Spent(cl.asked, now) {",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a context that ends after its slot was given back",
		file: "dflockd/ending.go",
		old:  "\tcl.endContext(cause)\n\tcl.noteEnd(trace.Done, now)\n\tcl.unhold()\n",
		new:  "\tdefer func() { cl.endContext(cause); cl.noteEnd(trace.Done, now) }()\n\tcl.unhold()\n",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a guard that comes late",
		file: "internal/lease/lease.go",
		old:  "return l.From.Add(l.Usable())",
		new:  "return l.From.Add(l.Length)",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a lease that has run out and is renewed",
		file: "dflockd/internal/locktable/table.go",
		old:  "\tcase cl == nil:\n\t\treturn Result{Status: wire.Error}\n\tcase cl.origin.has(revoked):",
		new:  "\tcase cl == nil:\n\t\treturn Result{Status: wire.OK, Lease: lease}\n\tcase cl.origin.has(revoked):",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a slot of a broken connection that a strict server frees",
		file: "dflockd/internal/locktable/clear.go",
		old:  "case t.cfg.KeepOnClose:",
		new:  "case t.cfg.KeepOnClose && false:",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a lease that the server ends early",
		file: "dflockd/internal/locktable/table.go",
		old:  "t.setDue(cl, after(t.now, lease))",
		new:  "t.setDue(cl, after(t.now, lease/2))",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a grant in the grace after a start",
		file: "dflockd/internal/locktable/table.go",
		old:  "frozen: cfg.Grace > 0,",
		new:  "frozen: false,",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a grant in a pause",
		file: "dflockd/internal/locktable/pace.go",
		old:  "\tif l.delay.has(delayPause) {\n",
		new:  "\tif false && l.delay.has(delayPause) {\n",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
	{
		rule: "the replay notices a slot that was taken back and is renewed",
		file: "dflockd/internal/locktable/table.go",
		old:  "\tcase cl.origin.has(revoked):\n\t\treturn Result{Status: wire.ErrorRevoked}",
		new:  "\tcase false && cl.origin.has(revoked):\n\t\treturn Result{Status: wire.ErrorRevoked}",
		test: "internal/stacktest.TestAScriptedRunIsOneOfTheModel",
	},
}
