// Package dflockd is a client for dflockd, a lock server: semaphores and locks
// that processes on many machines share.
//
// A [Semaphore] or a [Lock] is one claim, on a connection of its own:
//
//	lock, err := dflockd.NewLock("report", dflockd.WithServers("10.0.0.5:6388"))
//	if err != nil {
//		return err
//	}
//	return lock.WithLock(ctx, func(ctx context.Context) error {
//		return writeReport(ctx) // ctx ends if the lock is lost
//	})
//
// A [Source] claims slots for a pool of workers, many at once over few
// connections:
//
//	src, err := dflockd.NewSource(slot.Fixed("crawl", 12), dflockd.WithServers("10.0.0.5:6388"))
//
// It works with the original dflockd from release 1.10 on, and does more with
// the server of this module.
//
// # Terms
//
// A slot is one of the limit of a key; a lock has one. The server keeps a slot
// for a lease; the client renews it by a heartbeat, long before the lease
// ends. The guard is when the slot's context ends if no renewal was
// acknowledged: before the server can give the slot to somebody else. A
// connection that breaks loses its slots at once, unless the server is strict:
// then they stay until their leases end, and the client renews them over
// another connection.
//
// # Several servers
//
// With several servers, and without [WithCluster], each key lives on one of them:
// the CRC-32 of the key, modulo their number, is an index into the list that
// [WithServers] was given. So the order of that list matters, and it must be the
// same for every client of a key; see WithServers for what is noticed.
//
// # Looking and stepping in
//
// [Source.Inspect] tells who holds the slots of a key and who waits, by the names that
// they were given ([WithName]). [Source.Pause] lets nothing be granted of a key for a
// while, for everybody; [Source.Revoke] takes a slot back. A server of this module
// does all of it; what takes an administrator's secret is said there.
//
// # Rates
//
// [slot.Pace] grants the slots of a source at a rate, too. A server of this module has a
// clock for each key, which all its clients share and a restart forgets. On an original
// server, and in a cluster, each start takes a turn of a second semaphore, whose name ends
// with [slot.TurnsSuffix].
//
// # States of a Semaphore or Lock
//
//	idle ── Acquire, Enqueue ──▶ opening ── a slot is free ──────▶ held
//	                               │ none is                        ▲ │
//	                               ▼                                │ │
//	                             queued ─ Wait, Acquire ─▶ waiting ─┘ │
//	                                                                  │
//	held ── Release ──▶ releasing ──▶ closed                          │
//	held, queued ── the server or the connection fails ──▶ lost ◀─────┘
//	opening, queued, waiting, held ── Close, Force, Release ──▶ closed
//	waiting ── the last call that waits gives up ──▶ closed
//
// Acquire is Enqueue and Wait in one. From idle, releasing, lost and closed,
// Acquire and Enqueue begin anew; from the others they are refused, unless Force
// closes first. Token, Lease and Fence are those of the slot in held, and zero
// otherwise; Context is alive in held, and has ended otherwise.
//
// All methods may be called at once, from many goroutines:
//
//   - Of two calls of Acquire or Enqueue one claims, the other is refused with
//     [ErrAlreadyConnected].
//   - Calls that wait share the claim, each for its own time. The place in line is
//     given up when the last of them gives up; a slot that one of them was told of
//     is released by none of the others. On a server without tagged requests a wait
//     that lasts longer than the one before it may have to join the line again.
//   - Close, Release and Force end what is there for all: a call that waits returns
//     [ErrClosed]. [Semaphore.WithLock] releases the slot that it acquired itself, and
//     no other.
//   - Calls of Release that run at once have one outcome. Acquire need not wait for
//     them.
//
// However a claim is given up, a slot that was granted meanwhile goes back before
// the connection closes.
//
// # Errors
//
// Each error is an [*Error], says what to do, and matches one of these by
// errors.Is. Where waiting cannot cure it, errors.As finds a method Permanent()
// bool in it that returns true: whoever retries had better stop and tell somebody.
// A [Source] itself never gives up: a server is asked again when there is a claim
// and the pause since the last failure, 5 s at most, is over.
//
//	error               | when                                                        | cured by waiting?
//	slot.ErrUnavailable | nobody listens, a name does not resolve, TLS fails, …       | yes
//	ErrDraining         | the server is shutting down (matches ErrUnavailable)        | yes
//	ErrProtocol         | no dflockd answers there (matches ErrUnavailable)           | yes
//	ErrAuth             | a secret that the server has never accepted from here       | no: permanent
//	ErrAuth             | the same after it had let this client in (ErrUnavailable)   | yes
//	ErrLimitMismatch    | an original server has the key in use with another limit    | yes
//	ErrServerLists      | others hold or wait for slots with another list of servers  | yes
//	ErrMaxLocks         | the server holds as many keys as it may                     | yes
//	ErrMaxWaiters       | the line of the key is full                                 | yes
//	slot.ErrNotAllowed  | a pause or a revoke takes an administrator's secret         | no
//	slot.ErrNoHolder    | nobody has a slot with the ID that is revoked               | no
//	slot.ErrRevoked     | a slot was taken back (matches slot.ErrLost)                | claim again
//	ErrRefused          | any other refusal                                           | perhaps
//	ErrTimeout          | WithLock was not granted its slot in time                   | yes
//	slot.ErrKey         | the key is empty, too long, or has spaces or control bytes  | no: permanent
//	slot.ErrClosed      | the source, Semaphore or Lock was closed                    | no: permanent
//	slot.ErrLost        | a slot that was held is lost                                | claim again
//
// A sharding function that returns an index out of range is permanent too. A server
// that hangs up instead of answering, as one does that has all the connections that
// it may have or has seen too many wrong secrets, is an outage.
//
// # For users of the TypeScript client
//
// Each row of its DistributedSemaphore and DistributedLock, and what it is
// here. What is refused is an error of the constructor or of the call.
//
//	there                    | here                           | by default               | refused
//	key                      | NewSemaphore(key, …), NewLock  | -                        | empty, spaces, control characters, over 256 bytes
//	limit                    | NewSemaphore(key, limit)       | -                        | under 1; ErrLimitMismatch
//	acquireTimeoutS          | WithAcquireTimeout             | 10 s                     | negative
//	leaseTtlS                | WithLease                      | the server's             | 0 and under
//	servers                  | WithServers                    | 127.0.0.1:6388           | an empty list, what is not host:port
//	shardingStrategy         | WithSharding                   | StableHashShard          | an index out of range
//	host, port               | WithServers                    | 127.0.0.1:6388           | -
//	renewRatio               | WithRenewRatio                 | 0.5: renews at a third   | not between 0 and 1
//	tls                      | WithTLS                        | none                     | a server whose name is not verified
//	auth                     | WithAuth                       | none                     | ErrAuth; in the clear to another machine
//	onLockLost               | WithOnLost, Context            | none                     | nil
//	connectTimeoutMs         | WithConnectTimeout             | 3 s                      | 0 and under
//	socketTimeoutMs          | WithSocketTimeout              | 5 s                      | 0 and under
//	withLock                 | WithLock                       | -                        | ErrTimeout
//	acquire                  | Acquire, Force                 | -                        | ErrAlreadyConnected
//	release                  | Release                        | -                        | ErrClosed, slot.ErrUnavailable
//	enqueue                  | Enqueue, Force                 | -                        | ErrAlreadyConnected
//	wait                     | Wait, WaitFor                  | the acquire timeout      | ErrClosed, negative
//	close                    | Close                          | -                        | -
//	key, limit, token, lease | Key, Limit, Token, Lease       | no token, no lease       | -
//
// What differs on purpose, besides what is refused earlier:
//
//   - A slot is renewed after a third of its lease at the latest, or 7 s, so a
//     renewRatio above a third changes nothing. Renewals are never closer than 0.1 s,
//     as there.
//   - A grant that is old when it arrives is confirmed with the server before it is
//     used. There it is used, though somebody else may hold the slot by then.
//   - Release waits for the server's answer and tries again where none comes; there
//     it succeeds whatever becomes of it. It returns slot.ErrLost after a loss, and
//     [ErrClosed] where nothing was ever acquired.
//   - A call that waits is told [ErrClosed] when another closes or releases; there it
//     fails with what the socket said.
//   - Acquire waits out an outage with [WithWaitForServer]; otherwise, as there, it
//     fails at once.
//   - A place in line that nobody waits for is kept for as long as its connection
//     lives; there the server cuts it after its read timeout.
//
// testdata/typescript has the corners of each row: what came of each step there, as
// it was recorded, and what comes of it here.
//
// # What is not guaranteed
//
// A job that ignores its context can go on after its slot is lost. A process
// that is paused and resumed can take one step before it notices. With a
// server that releases on disconnect, a broken connection is noticed by its
// client after a heartbeat and the time for its answer at the latest, and for
// as long another holder may run beside; a strict server excludes that. A slot
// that is lost with its connection loses its order in line too. Fences are for
// limit 1, and do not survive a clock that is set back or another list of
// servers. An original server does not notice that two clients were given different
// lists of servers; each key then has as many slots as it has servers.
package dflockd
