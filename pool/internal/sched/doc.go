// Package sched decides which job of a pool runs next, and on which worker. It
// is pure: it has no goroutine, lock, channel, context or clock, and calls
// nothing. Events and the time go in, orders and effects come out.
//
//	 submitters          timer             workers
//	     │ Submit          │ Time             │ Next        ▲ Run, Look, Rest, End
//	     ▼                 ▼                  ▼             │
//	┌─────────────────────────────────────────────────────────┐
//	│ lanes: a queue for each key, by priority; they take     │
//	│ turns; room in each and in all; delays; batches         │
//	└─────────────────────────────────────────────────────────┘
//	     │ Effects: wake or start a worker, admit a submitter, finish a job,
//	     ▼          set the alarm, nothing is left
//
// Whoever uses it has one form for each event: lock, event, hand in what is
// recalled, take the effects, unlock, carry them out.
//
// # What it promises
//
// Lanes take turns: one that has jobs waits for one job of each other. Within a
// lane a job of a higher priority goes first, and among equals the one that was
// submitted first. A job that runs for less than 10 µs may be handed out
// together with those that follow it, see batch; then the order holds among
// those that start after a job that took longer, but for the one job that each
// other worker is at. No job waits for a tick because another one, in front of
// it in the same batch, is slow.
package sched
