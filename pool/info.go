package pool

import (
	"context"
	"time"

	"github.com/berth-go/berth/slot"
)

// Info is what a job can know of itself.
type Info struct {
	// Name, Key and Priority are the options that the job was submitted with.
	Name, Key string
	Priority  int
	// SlotKey is the key that its slot was claimed with.
	SlotKey string
	// Attempt is 1 for the first. A run that ended with RetryAfter without an
	// error was none, so that the next one has its number.
	Attempt int
	// FirstStart is when the first attempt began, runs that were none not
	// counted. It is zero in a pool that has neither hooks nor middleware, for
	// which nobody takes the time.
	FirstStart time.Time
	// SlotWait is how long the claim of its slot took, from enqueue to grant.
	SlotWait time.Duration
	// Ahead is how many claims were in line in front of that one when it joined. It
	// is 0 also where the claim did not wait, or the engine does not tell.
	Ahead int
	// Reused says that the slot has served another job before, or serves the
	// job that waits for this one.
	Reused bool
	// HasSlot says that the job runs under a slot, described by Slot.
	HasSlot bool
	Slot    slot.Info
}

// Elapsed returns the time since the first attempt began, 0 if that is not known.
func (i Info) Elapsed() time.Duration {
	if i.FirstStart.IsZero() {
		return 0
	}
	return time.Since(i.FirstStart)
}

// Remaining returns how long the slot is safe to use unless its lease is
// renewed, which the source does by itself. It returns false where there is no
// slot, or one without a lease.
func (i Info) Remaining() (time.Duration, bool) {
	if !i.HasSlot || i.Slot.ExpiresAt.IsZero() {
		return 0, false
	}
	return max(time.Until(i.Slot.ExpiresAt), 0), true
}

// FromContext tells a job about itself. It returns false for a context that is
// not derived from a job's. The answer is for the job's own use while it runs.
func FromContext(ctx context.Context) (Info, bool) {
	if t, ok := ctx.Value(runKey{}).(*Task); ok {
		return t.info(), true
	}
	return Info{}, false
}

func (t *Task) info() Info {
	i := Info{Key: t.key(), Attempt: 1}
	m := t.more()
	if m != nil {
		i.Name, i.Priority = m.name, m.priority
		i.Attempt, i.FirstStart = max(m.attempt, 1), m.firstStart
	}
	i.addHold(t.hold())
	i.Reused = i.Reused || m != nil && m.nested
	return i
}

func (i *Info) addHold(h *hold) {
	if h == nil {
		return
	}
	i.SlotKey, i.HasSlot, i.Slot = h.key, true, h.slot.Info()
	i.SlotWait, i.Ahead, i.Reused = h.granted.Sub(h.claimed), max(h.ahead, 0), h.reused
}
