package etcd

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"
)

// What the claimant sees of a claim.
type (
	ticket claim
	joined claim
	held   claim
)

var (
	_ slot.Ticket    = (*ticket)(nil)
	_ slot.Place     = (*joined)(nil)
	_ slot.Slot      = (*held)(nil)
	_ slot.Abandoner = (*held)(nil)
	_ slot.Liner     = (*ticket)(nil)
	_ slot.Liner     = (*joined)(nil)
)

// Format names the ticket, whatever the verb.
func (t *ticket) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "etcd ticket of %q", t.name) }

// Format names the slot, whatever the verb.
func (h *held) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "etcd slot of %q", h.name) }

// Slot returns the slot if it is granted.
func (t *ticket) Slot() (slot.Slot, bool) {
	t.src.lock()
	defer t.src.unlock()
	got, err := (*claim)(t).take()
	return got, err == nil && got != nil
}

// Wait blocks until the slot is granted.
func (t *ticket) Wait(ctx context.Context) (slot.Slot, error) {
	c := (*claim)(t)
	select {
	case <-c.settled:
	case <-ctx.Done():
		// A slot may have been granted since: giveUp puts it back.
		t.src.giveUp(c, context.Cause(ctx), "wait")
	}
	t.src.lock()
	defer t.src.unlock()
	return c.take()
}

// Close leaves the line, or gives back a slot that was not taken.
func (t *ticket) Close() error {
	t.src.giveUp((*claim)(t), ErrClosed, "wait")
	return nil
}

// Ahead returns how many waited in front of the claim when it joined the line. Where
// their limits differ it can be fewer.
func (t *ticket) Ahead() (int, bool) { return (*claim)(t).began() }

// Leave gives up the claim.
func (j *joined) Leave() { j.src.giveUp((*claim)(j), ErrClosed, "wait") }

// Ahead returns how many waited in front of the claim when it joined the line, once
// that is known.
func (j *joined) Ahead() (int, bool) { return (*claim)(j).began() }

// began returns where in line the claim began.
func (c *claim) began() (int, bool) {
	c.src.lock()
	defer c.src.unlock()
	return c.ahead, c.waited
}

// Context ends when the slot is lost or released.
func (h *held) Context() context.Context {
	h.src.lock()
	defer h.src.unlock()
	return (*claim)(h).context()
}

// Release gives the slot back.
func (h *held) Release() error {
	c := (*claim)(h)
	h.src.lock()
	defer h.src.unlock()
	if c.state == stateTaken {
		c.release()
	}
	return c.lost()
}

// Abandon leaves the slot to a lease of its own.
func (h *held) Abandon() {
	h.src.lock()
	defer h.src.unlock()
	h.src.abandon((*claim)(h))
}

// Info describes the slot.
func (h *held) Info() slot.Info {
	c := (*claim)(h)
	h.src.lock()
	defer h.src.unlock()
	return slot.Info{
		Key: c.key, Limit: c.limit, GrantedAt: c.at, ConfirmedAt: c.at, Queued: c.waited, Strict: true,
		Fence: fence(c.created, c.position), ExpiresAt: c.guard().Guard(), PausedUntil: c.pausedUntil,
	}
}

// tellGranted hands the slot to a claimant. It goes back if the claimant panics:
// nobody else would release it.
func (c *claim) tellGranted() {
	told := false
	c.src.cfg.call("slot.Claimant.Granted", func() {
		c.to.Granted((*held)(c))
		told = true
	})
	if !told {
		_ = (*held)(c).Release()
	}
}

// tellTrace has a function of the claim's trace called, if there is one. Caller holds
// mu.
func (c *claim) tellTrace(name string, which func(*slot.Trace) func(time.Time), at time.Time) {
	if c.trace == nil {
		return
	}
	if f := which(c.trace); f != nil {
		c.src.later = append(c.src.later, func() { c.src.cfg.call(name, func() { f(at) }) })
	}
}
