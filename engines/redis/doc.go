// Package redis is a source of slots that Redis keeps: semaphores that processes on
// many machines share, for those who run a Redis anyhow.
//
//	client := goredis.NewClient(&goredis.Options{Addr: "10.0.0.5:6379"})
//	src, err := redis.NewSource(client, slot.Keyed("report:", 2))
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	defer src.Close(ctx) // before the client
//	p, err := pool.New(32, pool.WithSlots(src))
//
// The client is that of github.com/redis/go-redis/v9 and the caller's own: of one
// server, of Sentinel, or of a Cluster. It works with Redis from 6.2 on, and should
// with what speaks its protocol and has its scripts.
//
// # How it works
//
// A script keeps a line for each semaphore, in which a claim stands from its arrival
// to its end. The first of the line hold slots; how many is decided by the limits that
// they came with. Each claim, release and renewal is a call of the script, which does
// it and then serves the line, in one step. So the release of one machine grants the
// next in line, wherever that is; its source hears by a message (PUBLISH), and by its
// next renewal should that be lost.
//
// Every claim in line is renewed, whether it waits or holds: after a third of its
// lease, or 7 s. What a source renews goes in one pipeline, and what it claims while a
// pipeline is under way goes together in the next. Nothing waits on a goroutine.
//
// A slot's context ends before its lease does, by a timer that needs no network, and
// counted from before the last renewal that was answered was sent. That a grant is old
// when it is heard of changes nothing, since it does not count from there.
//
// # What is promised
//
//   - No more than the limit of a key hold slots whose contexts have not ended,
//     whatever the network and the clients do: as long as Redis forgets nothing and its
//     clock is not set forward. A slot outlives its connection, and is renewed over
//     another.
//   - A claim's limit is its own: while a slot claimed with limit n is held, at most n
//     of its name are. Machines with different limits for one name wait for each other
//     in line and starve nobody. One claim of limit 1 has everybody behind it wait until
//     the slots before it and its own are free.
//   - Slots are granted in the order in which Redis took the claims.
//   - With slot.Pace, they are granted at a rate that all machines share, by a clock that
//     Redis keeps. It is asked by the source of the first in line when that may go; what is
//     asked late, a tenth of 1/rate at most, is made up for. A failover that loses the clock
//     lets one more burst go.
//   - A slot is free when it is released, and when its lease is over at the latest: of a
//     process that died, or that is stopped. A claim that is given up leaves nothing
//     behind, also where the client has repeated the request, and a copy of it comes
//     late.
//   - Calls end in time whatever the options of the client are: by their context, by
//     [WithTimeout], or for Close after a second.
//
// # What is not promised
//
// Redis can forget what it has answered. By default it writes nothing to disk before it
// answers, and a replica that takes over may not have heard of the last slots. After
// such a restart or failover a slot that is held can be granted again at once. Its
// holder is told at its next renewal, within a third of the lease, if it can reach the
// server, and by its guard within the lease otherwise; places in line are lost. So
// [slot.Info] Strict is false, and there is no fence, unless [WithDurable] says that
// the server is run so that this does not happen. Several independent servers do not
// make up for it, and there is no such option.
//
// The leases are measured by the server's clock, the time of day. Set forward by more
// than what is left of a lease, it ends that lease for whoever waits for the slot, and
// two hold it until the holder's next renewal; where nobody waits nothing happens. Set
// back, it keeps slots of the dead for as much longer. Have it slewed, not stepped.
//
// A process that is stopped in front of the line is granted its slot in its turn and
// keeps it until its lease is over, as with every engine: but all that wait behind each
// other in one stopped process, or in several that stopped at once, delay the others by
// one lease in all, since their leases run while they wait.
//
// A job that ignores its context runs on after its slot is lost.
//
// # What must be set
//
// On the server:
//
//   - maxmemory-policy noeviction. Any other may throw away a line while slots are held,
//     which are then granted again; the holders are told at their next renewals.
//   - For [WithDurable]: appendonly yes, appendfsync always, and no failover. Each claim
//     then costs the server a write to disk, which pipelines share.
//   - With ACLs the user needs the keys and channels that begin with the prefix (berth:
//     by default), and EVAL, EVALSHA, SUBSCRIBE, PUBLISH, PING, and what the script calls:
//     TIME, SET, DEL, EXISTS, PTTL, PEXPIRE, ZADD, ZCARD, ZCOUNT, ZRANGE, ZRANGEBYSCORE,
//     ZRANK, ZREM, ZREMRANGEBYSCORE, ZSCORE, and GET for [slot.Pace]. [WithDurable] also looks by CONFIG GET and INFO.
//
// In the client: a PoolSize of 6 or more, beside what else uses it. Its timeouts and
// retries only decide how soon it tries again. A source opens one connection of its own
// for its subscription.
//
// In the program: the same prefix everywhere. A semaphore has four keys at most, which
// are gone an hour after its last use, and with a pace a fifth, which goes when its clock has rested. Its name has at most 256 bytes, no braces and no
// control characters. In a Cluster a semaphore lies on one node, semaphores are spread
// over all, and the messages of grants pass through all nodes.
//
// # Errors
//
// Each is an [*Error], says what to do, and matches one of these by errors.Is.
//
//	error               | when                                                       | cured by waiting?
//	slot.ErrUnavailable | nobody answers, or says LOADING, READONLY, OOM, MISCONF, … | yes
//	ErrAuth             | the user, password or rights, before anything has worked   | no: permanent
//	ErrAuth             | the same later (matches slot.ErrUnavailable, too)          | yes
//	ErrNotDurable       | WithDurable, and the server says that it is not            | no, until it once was
//	slot.ErrKey         | the key is empty, too long, has braces, …                  | no: permanent
//	slot.ErrClosed      | the source or its client was closed                        | no: permanent
//	slot.ErrNotAllowed  | a pause or a revocation without WithAdministrator          | no: permanent
//	slot.ErrLost        | a slot that was held is lost                               | claim again
//	any other answer    | as the server gave it                                      | perhaps
package redis
