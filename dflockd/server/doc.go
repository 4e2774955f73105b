// Package server is a dflockd: a lock server that speaks the protocol of the
// original dflockd 1.10 and serves its clients unchanged. It embeds in a
// program or a test; cmd/dflockd is the same as a program of its own.
//
//	srv, err := server.Start(ctx, server.WithAddress("127.0.0.1:0"))
//	if err != nil {
//		return err
//	}
//	defer srv.Close()
//	fmt.Println("serving on", srv.Addr())
//
// With [WithInMemory] it opens no port, and [Server.Dial] is the way in; then
// it works inside a testing/synctest bubble, where leases take no time.
//
// # How it is made
//
//	connection's goroutine ──reads──▶ requests ──▶ hub ──▶ lock table (pure)
//	            ▲                                   │
//	            ╰──── writes answers in one go ◀────┴──▶ answers to others that
//	                                                     wait: a short-lived
//	                                                     goroutine writes them
//
// A connection is read all the time, also while a request of it waits, so a
// client that goes is noticed at once and leaves every line it stood in. On
// Linux, over TCP without TLS, a connection whose request waits is parked: it
// has neither a goroutine nor buffers, and one epoll instance watches them all,
// so that it costs less than 2 KiB. A connection that ended is closed by one
// goroutine, after its place in line or its slots have been freed; where those
// are a lot, they are freed in parts, with the requests of others in between.
// Requests that were sent ahead are answered in order, as many as there are
// with one write. A request that waits holds back those sent after it, unless
// it is tagged. The hub is one mutex around the lock table; nothing is read
// or written, logged or printed under it.
//
// # Terms
//
// A key names a semaphore; a lock is one of limit 1. A slot of it is granted
// to a claim, for a lease that the holder renews. A token names the grant;
// whoever has it may renew and release, from any connection. Auto-release:
// a slot is free when its holder's connection closes; without it, a slot
// stays held until its lease ends.
//
// # Differences from the original
//
// DIFFERENCES.md in this folder lists what this server does otherwise on
// purpose, and why. The transcripts in testdata say it line by line, and are
// played to both servers.
//
// It also has what is added for clients that ask with hello, in the form that goes
// over the wire. One of these additions refuses: clients that say that they were
// given different lists of servers do not claim side by side, see
// [WithMixedServerLists].
//
// # What is not guaranteed
//
// State is memory: a server that restarts has forgotten who holds what. With
// auto-release off and a startup grace of the longest lease, which is how such a
// server starts on a fixed address, no slot is granted twice even so. There is no
// replication. The number in the first half of a token grows with each grant,
// unless the server restarts with its clock set back by more than it ran.
package server
