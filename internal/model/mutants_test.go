package model_test

// A mutant pairs a way to break the model with the rule of the mutation gate
// that breaks the same in the code.
type mutant struct {
	flag   string // without MUTANT_
	config string // in which configuration the checker must find what is wrong
	rule   string // in internal/stacktest/mutation
}

var mutants = []mutant{
	// The server.
	{"ONE_MORE", "strict", "no more than the limit are granted"},
	{"GRANTS_CLOSED", "strict", "a closed connection's places are not granted while it is being cleared"},
	{"RENEWS_EXPIRED", "strict", "a lease that has run out is not renewed"},
	{"FREES_AT_CLOSE", "strict", "a strict server keeps the slots of a broken connection"},
	{"KEEPS_AT_CLOSE", "immediate", "any other server frees the slots of a broken connection"},
	{"NO_GRACE", "strict-restart", "nothing is granted in the grace after a start"},
	{"NO_GRACE", "strict-restart", "a strict server on a fixed address has a startup grace by itself"},
	{"SHORT_GRACE", "strict-restart", "a startup grace shorter than the longest lease is refused"},

	{"OVER_HOLDERS_LIMIT", "strict-limits", "a claim with a larger limit is not granted beyond the limit of a holder"},
	{"PASSES_LINE", "strict-limits", "a new claim does not pass one with a smaller limit that waits"},
	{"LEAVES_ALONE", "strict-leave", "whoever leaves a line of different limits lets the next one go"},
	{"GRANTS_HALTED", "strict-halt", "nothing is granted of a paused key"},
	{"HALT_ENDS_ALONE", "strict-halt", "the end of a pause serves the line"},
	{"RENEWS_REVOKED", "strict-revoke", "a slot that was taken back is not renewed"},
	{"REVOKE_FREES", "strict-revoke", "a slot that was taken back is free when its lease ends, and not at once"},

	// The client: when a slot may be used.
	{"NO_GUARD", "strict", "the guard ends the context of a slot"},
	{"NO_MARGIN", "strict-drift", "the guard leaves a margin"},
	{"HEEDS_NO_WALL_CLOCK", "strict-pause", "the guard heeds the wall clock"},
	{"FROM_RECEIPT", "strict", "a lease counts from before its request was sent"},
	{"NO_CONFIRM", "strict-ghosts", "a grant that is old is confirmed"},
	{"USES_UNCONFIRMED", "strict", "a grant that is not confirmed is not used"},
	{"USES_LATE", "strict", "a grant that came too late is not used"},
	{"IGNORES_REFUSAL", "strict-restart", "a refused renewal is a loss"},
	{"NO_DEADLINE", "immediate", "a late renewal is a loss"},
	{"CLOSES_FIRST", "immediate-slow", "contexts end before the socket closes"},
	{"ENDS_WITH_CONNECTION", "strict", "a slot of a strict server survives its connection"},
	{"OUTLIVES_CONNECTION", "immediate", "a slot of any other server ends with its connection"},

	// The client: a slot goes back.
	{"KEEPS_UNWANTED", "strict-cancel", "a grant that comes after a cancel goes back"},
	{"LEAVES_BY_CLOSING", "strict-cancel", "a cancelled wait leaves no slot behind on a strict server"},
	{"FORGETS_RELEASE", "strict", "a release whose connection broke is sent over another"},
	{"FORGETS_CONFIRMED", "strict", "a grant whose confirmation was not answered is given back"},

	// Whoever claims is granted or told.
	{"RELEASE_SERVES_NOBODY", "line", "a release serves the line"},
	{"LAST_FIRST", "line", "the first in line is served first"},
	{"NO_EXPIRY", "line-crash", "a slot whose lease has run out is granted again"},
	{"ENDLESS_GRACE", "line-restart", "the grace after a start ends"},
	{"NOT_TOLD", "line-cut", "whoever waits is told that the connection broke"},
}
