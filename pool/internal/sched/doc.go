// Package sched decides which job of a pool runs next, on which worker and
// under which slot. It is pure: it has no goroutine, lock, channel, context or
// clock, and calls nothing. Events and the time go in, orders and effects come
// out.
//
//	 submitters       timer         workers              engine's answers
//	     │ Submit       │ Time        │ Next   ▲ Run, Ask,   │ Granted, Waiting,
//	     ▼              ▼             ▼        │ Look, Rest  ▼ Busy, Refused, Lost
//	┌────────────────────────────────────────────────────────────────────────┐
//	│ lanes, which take turns ─ room ─ delays ─ batches ─ workers            │
//	│ quotas, which share slots ─ claims                                     │
//	└────────────────────────────────────────────────────────────────────────┘
//	     │ effects: wake or start a worker, admit a submitter, finish a job, set
//	     ▼          the alarm, join or leave a line, give a slot back, be idle
//
// Whoever uses it has one form for each event: lock, event, hand in what is
// recalled, take the effects, unlock, carry them out.
//
// # Terms
//
// A lane is the queue of a key. A quota is what the lanes share that claim slots
// of one name. A claim is one claim of a slot, from the request to the release.
// A batch is several short jobs that a worker was handed at a time.
//
// # What it promises
//
// Lanes of a quota take turns: one that has jobs waits for one job of each
// other. Within a lane a job of a higher priority goes first, and among equals
// the one that was submitted first. Jobs that run for less than 10 µs may be
// handed out together, see batch; then the order holds among those that start
// after a job that took longer, but for the one job that each other worker is
// at, and none waits longer than a tick because another one, in front of it in
// the same batch, is slow.
//
// With slots: no job is bound to a claim before that is granted; a slot that is
// granted goes to the first worker that is free; every slot is given back once;
// and every quota with a job has a claim before long, see policy.go, whatever
// the others want.
package sched
