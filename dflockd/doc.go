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
//	src, err := dflockd.NewSource(dflockd.Fixed("crawl", 12), dflockd.WithServers("10.0.0.5:6388"))
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
// # States of a Semaphore or Lock
//
//	idle ── Enqueue: free ──────────────────▶ held ── renewal failed ──▶ lost
//	  │                                       ▲  │
//	  └── Enqueue: not free ──▶ queued ─ Wait ─┘  └── Release, Close ──▶ closed
//	                              │                                     ▲
//	                              └── Wait: timeout or error, Close ────┘
//
// From lost and closed, Enqueue and Acquire begin as from idle. From queued
// and held they are refused, unless Force closes first.
//
// Acquire is Enqueue and Wait in one.
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
//	renewRatio               | WithRenewRatio                 | 0.5                      | not between 0 and 1
//	tls                      | WithTLS                        | none                     | a server whose name is not verified
//	auth                     | WithAuth                       | none                     | ErrAuth; in the clear to another machine
//	onLockLost               | WithOnLost, Context            | none                     | nil
//	connectTimeoutMs         | WithConnectTimeout             | 3 s                      | 0 and under
//	socketTimeoutMs          | WithSocketTimeout              | 5 s                      | 0 and under
//	withLock                 | WithLock                       | -                        | ErrTimeout
//	acquire                  | Acquire, Force                 | -                        | ErrAlreadyConnected
//	release                  | Release                        | -                        | ErrClosed, ErrNotHeld
//	enqueue                  | Enqueue, Force                 | -                        | ErrAlreadyConnected
//	wait                     | Wait, WaitFor                  | the acquire timeout      | ErrClosed
//	close                    | Close                          | -                        | -
//	key, limit, token, lease | Key, Limit, Token, Lease       | no token, no lease       | -
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
// servers.
package dflockd
