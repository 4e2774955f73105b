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
	{"GUARD_WAITS", "strict-patient", "a slot that another connection has taken over ends with its guard"},
	{"NO_MARGIN", "strict-drift", "the guard leaves a margin"},
	{"NO_MARGIN", "strict-drift", "the guard allows for a clock that is slow by a twentieth"},
	{"HEEDS_NO_WALL_CLOCK", "strict-pause", "the guard heeds the wall clock"},
	{"FROM_RECEIPT", "strict", "a lease counts from before its request was sent"},
	{"NO_CONFIRM", "strict-ghosts", "a grant that is old is confirmed"},
	{"USES_UNCONFIRMED", "strict", "a grant that is not confirmed is not used"},
	{"USES_LATE", "strict", "a grant that came too late is not used"},
	{"IGNORES_REFUSAL", "strict-restart", "a refused renewal is a loss"},
	{"IGNORES_REFUSAL", "strict-revoke", "a refused renewal of a slot that was taken back ends its context"},
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

// without has the other rules of client and server, and why the model has no mutant for
// them.
var without = []struct {
	why   string
	rules []string
}{
	{"the same as another rule, which a replay of recorded runs has to notice, too", []string{
		"the replay notices a lease that counts from the receipt of its answer",
		"the replay notices a grant that is old and not confirmed",
		"the replay notices a context that ends after its slot was given back",
		"the replay notices a guard that comes late",
		"the replay notices a lease that has run out and is renewed",
		"the replay notices a slot of a broken connection that a strict server frees",
		"the replay notices a lease that the server ends early",
		"the replay notices a grant in the grace after a start",
		"the replay notices a grant in a pause",
		"the replay notices a slot that was taken back and is renewed",
	}},
	{"a model of one key has no other, and no tokens", []string{
		"a token releases its own key alone",
		"a token names one grant",
		"fences grow",
		"fences grow over a restart",
	}},
	{"keys have no pace there", []string{
		"a new claim waits for the clock although a slot is free",
		"the first in line waits for the clock although a slot comes free",
		"who comes to wait first for the clock is served in time",
		"whoever leaves the line of a clock lets the next one go",
		"each claim uses up its own interval of the clock",
		"a clock is forgotten when it is as good as new",
		"nothing that an original server does not know is sent to it for a pace",
	}},
	{"one pause has one end there", []string{"a pause that ends later stays"}},
	{"all leases are of one length there", []string{
		"a renewal asks for the lease",
		"a grant that nobody wants is given back for as long as its lease",
	}},
	{"with immediate release no client of the model renews over another connection", []string{
		"a closed connection's slots are not renewed while it is being cleared",
	}},
	{"the claim of a place and its wait are not sent at once there; a replay has both", []string{
		"a slot that its wait denies is lost",
		"a wait that was sent early is answered in time",
		"a place that nobody waits for is not waited for",
	}},
	{"a grant is read and begun in one step there; a replay has both", []string{"a slot that nobody was told of is not renewed"}},
	{"servers do not drain there; a replay has it", []string{"nothing is granted in a drain"}},
	{"clients do not close there", []string{
		"a closed source gives back what its places on a strict server are granted",
		"one's own Close is no loss",
	}},
	{"each claim has one caller there", []string{
		"a call that gives up leaves the slot to one that was told of it",
		"a call that gives up leaves the place to those who wait on",
		"a time of 0 asks the server",
		"the context of WithLock ends with the slot",
		"a claimant is told once",
		"a claim that is left leaves the line",
		"a joined claim does not follow a release",
		"a joined claim does not wait for a connection that a suspended machine has left",
		"a function that ends the reader's goroutine does not end the reading",
		"a function that ends a goroutine keeps nobody from being told",
	}},
	{"releases are not answered there: whether one has arrived is the client's to find out", []string{
		"a release without an answer is asked for again",
		"only the server's error says that a slot is not held",
	}},
	{"about when a client takes a connection for broken, which the model lets happen at any time", []string{
		"an answer that was read is judged by its lease",
		"after a pause what has arrived is read first",
		"a waiter that goes leaves the line",
		"a client that goes while its connection is parked leaves the line",
	}},
	{"clusters are not modelled", []string{"a release follows the leader of a cluster"}},
	{"about what a line on the wire may look like, and what may follow it", []string{
		"a line that nobody asked for breaks the connection",
		"nothing may come while no answer is due",
		"nothing may be left after the handshake",
		"no answer comes before its request",
		"answers come in the order of the requests",
		"whoever sends a joined claim writes it",
		"what a socket does not take is written later",
		"numbers that wrap are refused",
		"a key cannot inject a command",
	}},
	{"about who may claim, and how much", []string{
		"who is no administrator takes no slot back",
		"nobody but an administrator pauses the keys of others for long",
		"an official claim is refused for the limit of another official one alone",
		"clients with different lists of servers do not claim side by side",
		"a list of servers counts while a slot of its clients is held",
		"a connection is cleared in parts",
		"the places of a connection are bounded",
		"the slots of a connection are bounded, those that it waits for included",
		"the requests that a connection sends ahead are bounded",
		"a wrong secret is refused",
		"wrong secrets are answered ten times a second",
		"a right secret is never refused for others' guesses",
		"a right secret is never refused for slowness",
	}},
	{"about dials, which the model lets happen at any time", []string{
		"a client that was let in once goes on trying",
		"a secret that was never right is refused for good",
		"while a server is down one connection probes",
		"after an outage dials are spread",
	}},
	{"breaks the guard as NO_GUARD does, for another test", []string{"the suite finds a client without a guard"}},
}
