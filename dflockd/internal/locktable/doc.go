// Package locktable is the state of a lock server: who holds which key, who
// waits for it, and until when. It is pure. Time and connections come in as
// arguments, answers and events go out, and there is no clock, no goroutine,
// no lock and no I/O in it; its caller serializes the calls.
//
//	t := locktable.New(locktable.Config{Fence: 1, Random: rand.Uint64})
//	var conn locktable.Conn
//	r := t.Acquire(now, &conn, locktable.Claim{Key: []byte("k"), Limit: 1, Lease: lease, Timeout: 0})
//	// r.Status is OK, and r.Token renews and releases the slot
//
// A claim is one attempt to get one slot of one key. It is in one of these
// states, and nowhere else:
//
//	             Acquire, Enqueue
//	               │          │ free, and nobody waits
//	     no slot   │          ╰────────────────╮
//	               ▼                           ▼
//	          ╭─────────╮  first in line   ╭──────╮  lease ends before  ╭──────╮
//	          │ waiting │ ───────────────▶ │ held │ ──────────────────▶ │ lost │
//	          ╰─────────╯  and a slot is   ╰──────╯  Wait asked for it  ╰──────╯
//	               │       free                │                            │
//	Wait times out,│                   Release,│                 Wait says  │
//	Leave,         │               lease ends, │          that it is lost,  │
//	Clear          ▼            Leave, Clear   ▼              Clear         ▼
//	            ╭──────────────────────── gone ─────────────────────────────╮
//
// A claim made by Enqueue has a place: it is remembered by its connection and
// key (or tag), so that Wait finds it. A claim made by Acquire, and one that
// Wait waits for, is blocked: when it is granted or times out there is an
// [Event] for whoever waits for the answer.
//
// Costs: Acquire, Enqueue, Wait, Leave, Release and Renew take time that does
// not depend on how much the table holds, but for entering and leaving the
// heap of deadlines, which is logarithmic at worst and cheap where leases are
// alike. CloseConn marks the connection; what it owned is cleared by Clear, a
// bounded number of claims in each call, as is all else that could be a lot at
// once (see clear.go). Nothing sweeps: Advance looks at what is due and at
// nothing else.
//
// Claims of a key may have different limits, each of which is kept: see mixture.go.
//
// A lock is a semaphore of limit 1. A key without holder and waiter does not
// exist: it counts against no limit, and the next claim may set another limit.
//
// Not guaranteed: anything across a restart. A table is memory.
package locktable
