// Package slot says what a slot is: the right to run, of which a key has a
// limited number, granted in the order of a line.
//
// A [Source] grants slots. Claiming one has two phases, so that who has other
// work need not block: Enqueue takes a place in line and returns at once, with a
// [Ticket]; [Ticket.Wait] blocks until the slot is granted. A [Slot] has a
// context that ends when the slot is lost, and a Release.
//
// Most programs leave that to a pool. Without one, [Do] is enough:
//
//	src := slot.NewLocal(4)
//	err := slot.Do(ctx, src, "example.com", func(ctx context.Context) error {
//		return fetch(ctx) // at most 4 at a time
//	})
//
// # Sources
//
// [NewLocal] grants the slots of one process. Package dflockd has a source
// whose slots are shared by every machine that asks the same server. What a key
// means is up to the source: [NewLocal] has one limit whatever the key,
// [NewLocalKeyed] one for each key. An engine is given [Limits]: [Fixed] and
// [Keyed] are the same two, and [LimitBy] asks a function, so that each customer
// can have a limit of its own. [NewLocalLimits] takes them too.
//
// A claim keeps its own limit where the source can do that, as those of this module
// can: while a slot that was claimed with limit n is held, at most n slots of that name
// are. So a limit can be changed by a rolling deploy. An engine keeps it by one rule,
// which needs no memory: a claim is granted if and only if its rank among the claims
// that hold or wait, in the order of the line, is at most the smallest limit up to and
// including its own. Nobody passes one that waits, and when one leaves the line those
// behind it may be next. It has its price: one claim of limit 1 beside a fleet of 100
// has the fleet wait until it alone has held its slot; and whoever claims a second slot
// of a name while he holds one can wait for ever for a smaller limit that came between.
//
// Sources are put together of others. [All] claims a slot of each: one of the
// host's and one of all. [Pace] grants at a rate as well as under the limit: five at
// once and ten a second. [MinHold] keeps each slot for a time, which makes a limit
// itself a rate. [Fallback] goes on with a local share during an outage. These
// functions return no error, so that they can be nested; [Check] tells whether
// what they were given makes sense, and a source that does not refuses every
// claim.
//
// A source whose engine has parts that fail on their own, such as several servers,
// is a [Partitioner], and Fallback counts the outages of each.
//
// A source that can tell of a grant by a call is a [Joiner]: nobody then waits in
// line, and a pool's contended claims cost less.
//
// # Looking and stepping in
//
// A source that is an [Inspector] tells who holds the slots of a key and who waits
// for them. One that is a [Controller] can pause a key, when what its jobs use has
// asked for less, and take a slot back. [Inspect], [Pause] and [Revoke] do it for
// any source, and return errors.ErrUnsupported where it cannot. Holders have the
// name that their source was given ([DefaultName] by default).
//
// Package slottest checks that a source keeps the promises made here.
//
// # Refusals
//
// A claim can fail for good or for now. [IsPermanent] tells which:
//
//	The error                                           Waiting cures it
//	has a method Permanent() bool that returns true     no: a secret that the engine refuses, for example
//	matches ErrKey                                      no: the source cannot use this key
//	matches ErrClosed                                   no: the source was closed
//	matches ErrUnavailable                              yes: the engine cannot be reached, or its name not resolved
//	any other of an engine                              yes: it is full, the key is in use with another limit, …
//
// What waiting cannot cure ends the jobs that need this key with the error. What
// it can cure is tried again by a pool, five times a second at most for each key,
// for as long as it takes: it is counted in pool.Stats, and said through
// log/slog, once a minute at most; when the cause is gone, work goes on. [Do] and
// whoever else claims by himself gets either error, and decides.
//
// # What is not guaranteed
//
// A context is a request: a job that ignores the end of its slot's context goes
// on without the slot, beside the one who is granted it next. A process that is
// stopped and resumed can take one more step before it learns that its slot is
// gone; where that step must not happen, the thing it changes has to check
// [Info.Fence]. How certainly a context ends before somebody else is granted
// the slot depends on the engine: on what it does when a connection breaks, see
// [Info.Strict], and on whether it remembers its slots over a restart and a
// failover, which the documentation of each source says.
package slot
