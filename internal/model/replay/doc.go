// Package replay says whether what the real stack has done is something that the
// model of the protocol can do.
//
//	err := replay.Setup{Strict: true, Lease: 5 * time.Second}.Check(journal.Events())
//
// Each key is a run of the model of its own, in which each attempt of a claim is a
// peer. Every event must be a step of [model.Config.Next] from the state that the
// events before it have led to, no promise of the model may be broken, and no client
// may let the time pass at which it has to do something. The first event that is not
// so is the error, with those before it.
//
// # Real time
//
// The model has no unit of time. The explorer lets ticks pass; a replay lets pass what
// the clocks say has passed between two events, in nanoseconds, and compares with the
// real lengths: the guard, the heartbeat, the tenth of a lease within which a grant
// needs no confirmation. Those are computed here and not taken from the code, which is
// what is looked at.
//
// In a bubble of testing/synctest clocks are exact, and so is a replay: what is due is
// due at that nanosecond. Between real processes a client may be stopped at any time,
// and a server, too, so with [Setup.Stops] nothing is asked of the moment at which they
// act; what they do, and in which order, is. A server that is late first ends the
// leases that have run out by then, and a stopped client uses no slot for that time.
package replay
