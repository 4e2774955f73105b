package pool

import (
	"context"
	"time"

	"github.com/berth-go/berth/slot"
)

// Hooks is a set of functions that the pool calls while jobs travel through it,
// after the manner of net/http/httptrace. A nil function is not called, and a
// time is taken only where a hook is set. Hooks run on the pool's and the
// submitters' goroutines: they must be quick and must not wait for the pool. A
// hook that panics ends no job: the panic is caught and counted in
// [Stats].HookPanics. One that calls runtime.Goexit ends the attempt that it was
// told of, if any, with ErrGoexit, unless that has its result.
//
// Each accepted task, also a Go job, has one Submitted and one Finish, and
// between them a Start for each attempt, which is closed by a Retry or by the
// Finish. Retry and Finish come before the slot is released.
type Hooks struct {
	// Submitted is called before a worker can see the task. ctx is the one that
	// it was submitted with. A task that is refused after all, because there
	// was no room or the pool was closed while it waited for some, gets its
	// Finish with that error.
	Submitted func(ctx context.Context, e JobEvent)
	// Start is called before each attempt, on the goroutine that runs it,
	// outside the middleware. The context that it returns is the job's; it must
	// be derived from ctx.
	Start func(ctx context.Context, e StartEvent) context.Context
	// Retry is called when an attempt has ended with RetryAfter or NotYet and the
	// task begins to wait. ctx is what Start returned.
	Retry func(ctx context.Context, e RetryEvent)
	// Finish is called when the task has its result, before anyone who waits
	// for it is told. ctx is what Start returned if an attempt was running, and
	// else the task's own.
	Finish func(ctx context.Context, e FinishEvent)
	// Overrun is called when a job has not returned although its context ended
	// a grace ago (see [WithGrace]). A slot of it is not renewed from then on.
	Overrun func(ctx context.Context, e JobEvent)

	// Enqueue is called before the pool claims a slot. The context that it
	// returns is handed to the source; it must be derived from ctx.
	Enqueue func(ctx context.Context, e SlotEvent) context.Context
	// Queued is called when the claim has a place in line.
	Queued func(e SlotEvent)
	// Granted is called when the claim has its slot, before it serves a job.
	Granted func(e SlotEvent)
	// Released is called after the pool has released the slot.
	Released func(e SlotEvent)
	// Lost is called when the slot was lost, possibly while a job runs.
	// Released follows when that job has returned.
	Lost func(e SlotEvent)
	// Failed is called when a claim ended without a slot: e.Err says why. It matches
	// context.Canceled where no job needed the slot any more.
	Failed func(e SlotEvent)
}

// A JobEvent describes a task at one moment.
type JobEvent struct {
	// Name, Key and Priority are the options that the job was submitted with.
	Name, Key string
	Priority  int
	// SlotKey is the key that slots are claimed with.
	SlotKey string
	// Attempt is 1 for the first; 0 before it.
	Attempt int
	// At is the time of the event.
	At time.Time
	// Submitted is when the task was accepted.
	Submitted time.Time
	// Ready is when the attempt could first run: Submitted, plus its After, for
	// the first, and the end of the backoff for later ones. It is zero in the
	// Finish of a task that was still backing off.
	Ready time.Time
	// State is one word of the hook's own, kept with the task from Submitted to
	// Finish. Each Hooks of a pool has its own.
	State *any
}

// A StartEvent describes an attempt that begins.
type StartEvent struct {
	JobEvent
	// Slot is the slot that the job runs under, nil in a pool without slots.
	Slot slot.Slot
	// Reused says that the slot has served another job before, or serves the
	// job that waits for this one.
	Reused bool
	// SingleUse says that the slot will serve this job only.
	SingleUse bool
	// Claimed is when the claim of the slot began.
	Claimed time.Time
	// Ahead is how many claims were in line in front of that one when it joined; -1
	// where it did not have to join the line, or the engine does not tell.
	Ahead int
	// Waited is what the attempt waited for longest since it was Ready.
	Waited WaitReason
}

// A WaitReason is what a job waits for before it starts. Of the time before a
// job's slot was claimed it is known what the slot key waited for longest since
// its last claim, and not more.
type WaitReason string

// What a job waits for.
const (
	// WaitNone: it started within a millisecond.
	WaitNone WaitReason = ""
	// WaitForWorker: all workers had other jobs. More workers help.
	WaitForWorker WaitReason = "worker"
	// WaitForPlace: there was no free slot, and the claims of other keys had all
	// places in line that the pool takes. More workers help, or [WithMaxClaims].
	WaitForPlace WaitReason = "place"
	// WaitForSlot: others had the slots, or jobs of this pool had all of them. A
	// higher limit helps.
	WaitForSlot WaitReason = "slot"
	// WaitForEngine: claims of the slot key failed. The error handler was told
	// why, see [WithErrorHandler].
	WaitForEngine WaitReason = "engine"
)

// A RetryEvent describes an attempt that ended and will be followed by another.
type RetryEvent struct {
	JobEvent
	// Err is what the attempt failed with or, where NotYet, why the task was put
	// off, which may be nil.
	Err error
	// NotYet says that the task was put off, see [NotYet]: the attempt does not
	// count, and the next one has its number.
	NotYet bool
	// Delay is how long the task waits.
	Delay time.Duration
	// Slot is the slot that the attempt ran under, if any.
	Slot slot.Slot
}

// A FinishEvent describes a task that has its result.
type FinishEvent struct {
	JobEvent
	// Err is the result.
	Err error
	// Running says that an attempt ended with this; false means that the task
	// was dropped while it was queued or backed off.
	Running bool
	// Lost says that the slot was lost while the job ran.
	Lost bool
	// Slot is the slot that the attempt ran under, if any.
	Slot slot.Slot
}

// A SlotEvent describes a claim or its slot.
type SlotEvent struct {
	// Key is the slot key.
	Key string
	// At is the time of the event.
	At time.Time
	// Claimed is when the claim began.
	Claimed time.Time
	// Slot is the slot, nil before it is granted.
	Slot slot.Slot
	// Err is why a claim failed, or how the slot was lost.
	Err error
}
