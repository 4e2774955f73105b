// Package etcd is a source of slots on etcd: limits that survive a lost machine.
//
//	client, err := clientv3.New(clientv3.Config{
//		Endpoints:            []string{"10.0.0.5:2379", "10.0.0.6:2379", "10.0.0.7:2379"},
//		DialKeepAliveTime:    5 * time.Second, // or a member that hangs is noticed late
//		DialKeepAliveTimeout: 2 * time.Second,
//	})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	src, err := etcd.NewSource(client, slot.Keyed("report:", 2))
//	if err != nil {
//		return err
//	}
//	defer src.Close(ctx)
//	p, err := pool.New(32, pool.WithSlots(src))
//
// The caller owns the client: close the source first. Members older than etcd 3.5.14
// are refused with [ErrVersion].
//
// # How it works
//
// A claim is a key under a lease of etcd; a source has one lease for all of its claims,
// its session. The line of a semaphore are its claims in the order in which etcd has
// created them. A claim holds a slot if its rank in the line is at most the smallest
// limit up to and including its own, so every claim brings its own limit: while a slot
// claimed with limit n is held, at most n slots of its name are held, and a limit
// changes by a deploy, without a step. What etcd answers to a new claim tells whether
// it has a slot; if not, the source watches the line, with one watch for all its claims
// there. Claims and releases that are under way at the same time share transactions.
//
// A beat, each third of the lease and 7 s at the latest, renews the lease and looks
// whether every key is where it was put. The context of a slot ends when that has not
// worked for so long that the lease could end: a timer does it, which asks nobody. A
// request whose outcome is not known is found out and put right as soon as etcd
// answers again; what has not been carried out by then never will be.
//
// # Promises
//
//   - At most n, strictly: the context of a slot has ended before etcd can let
//     anybody else have it, whatever becomes of the network, of members, of the leader,
//     and of this process. slot.Info.Strict is true.
//   - First come, first served: grants follow the order in which etcd took the claims,
//     also those of several processes.
//   - A broken connection costs nothing as long as the lease can be renewed in time:
//     neither slots nor places in line. Both survive the loss of a member, of the
//     leader, and a restart of the whole cluster.
//   - slot.Info.Fence rises from grant to grant of a name of limit 1.
//   - Who looks sees who holds slots and who waits, in order ([Source.Inspect]); a key is
//     paused for everybody ([Source.Pause]); a slot is taken back without its next holder
//     running beside the one who had it ([Source.Revoke]).
//   - A slot is free at once when it is released or its source is closed, and with the
//     end of the lease when its process has died.
//   - Close returns within a second, and a call by the end of its context.
//
// # What is not promised
//
//   - Somebody who deletes keys below the prefix by hand, or restores an old backup,
//     lets others have slots at once: their holders learn it within a beat, or within
//     moments where somebody waits for the same name. [Source.Revoke] takes a slot back
//     safely.
//   - A new leader gives every lease its full length anew. So after an election the
//     slots of a dead process are free a lease later than otherwise.
//   - While the cluster has no majority nothing is granted, and slots end when their
//     leases could have.
//   - One claim with limit 1 beside a fleet of limit 100 has the fleet wait for it, and
//     nested claims of one name with different limits can wait for each other for ever.
//
// # What has to be set
//
//   - Auto-compaction, on the servers: --auto-compaction-mode=periodic
//     --auto-compaction-retention=5m. It is off by default, and without it the
//     database grows by about 180 bytes for each claim until etcd takes no more writes.
//   - DialKeepAliveTime of the client, as above.
//   - A lease ([WithLease]) of 10 s or more in production; the default is 10 s. It is
//     whole seconds, 2 at least. With 3 s an election, or a leader that is frozen for a
//     moment, can cost the slots.
//   - With access control, a user that may read and write below the prefix.
//   - --max-txn-ops at its default of 128 or above.
//
// # Errors
//
// Each error is an [*Error] and matches one of these by errors.Is:
//
//	error               | when                                                  | cured by waiting?
//	slot.ErrUnavailable | etcd cannot be reached, or has no leader              | yes
//	slot.ErrLost        | a slot is lost, or a place in line                    | claim again
//	slot.ErrRevoked     | an operator took the slot back (with ErrLost)         | claim again
//	ErrSpace            | the database of etcd is full                          | somebody has to make room
//	ErrAuth             | the user was never accepted from here                 | no: permanent
//	ErrAuth             | the same after it had been accepted (ErrUnavailable)  | yes
//	ErrVersion          | a member is older than 3.5.14                         | no: permanent
//	ErrRefused          | any other refusal                                     | perhaps
//	slot.ErrKey         | the key is empty or too long                          | no: permanent
//	ErrClosed           | the source or the ticket was closed                   | no: permanent
package etcd
