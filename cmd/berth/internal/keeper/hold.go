package keeper

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"

	"github.com/berth-go/berth/cmd/berth/internal/process"
)

// A state is where a command under a slot stands. The package's documentation draws
// them.
type state uint8

const (
	running state = iota
	asked
	killing
)

func (s state) String() string {
	switch s {
	case running:
		return "running"
	case asked:
		return "asked"
	case killing:
		return "killing"
	}
	return "unknown"
}

const (
	// firstLook and longestLook bound the time after which it is looked again at
	// whether anything is left.
	firstLook   = time.Millisecond
	longestLook = 50 * time.Millisecond
	// stubborn is how long killing takes before somebody is told of what does not
	// end: processes of other users, or in a system call that does not return.
	stubborn = 5 * time.Second
)

// A hold is a command under a slot. It is used by one goroutine.
type hold struct {
	keeper *Keeper
	slot   slot.Slot
	tree   Tree
	grace  time.Duration
	orders <-chan Order

	state   state
	stopped bool
	exited  bool
	outcome *Outcome  // decided
	killAt  time.Time // in asked: when the grace is over
	look    time.Duration
	since   time.Time // in killing
	told    bool      // of what is left
}

// run returns when nothing of the command is left.
func (h *hold) run() Outcome {
	timer := time.NewTimer(h.next())
	defer timer.Stop()
	lost := h.slot.Context().Done()
	for !h.over() {
		select {
		case <-h.tree.Changed():
			h.changed()
		case o, ok := <-h.orders:
			h.heed(o, ok)
		case <-lost:
			lost = nil
			h.lost()
		case <-timer.C:
			h.tick(time.Now())
		}
		timer.Reset(h.next())
	}
	return *h.outcome
}

// over reports whether everything has ended.
func (h *hold) over() bool { return h.exited && h.tree.Gone() }

// next returns how long nothing has to be done.
func (h *hold) next() time.Duration {
	switch {
	case h.state == killing:
		return h.soon()
	case h.state == asked && h.exited: // what is left tells nobody of its end
		return min(h.soon(), time.Until(h.killAt))
	case h.state == asked:
		return time.Until(h.killAt)
	default:
		return h.calm()
	}
}

// soon returns how long to wait before looking again: longer each time.
func (h *hold) soon() time.Duration {
	h.look = min(max(2*h.look, firstLook), longestLook)
	return h.look
}

// calm tells until when the slot is safe, and returns how long it is before that has
// to be told anew, or the command to be asked to end. A slot without a lease is safe
// until its context ends.
func (h *hold) calm() time.Duration {
	idle := time.Hour
	if h.stopped {
		idle = askHung
	}
	guard := h.slot.Info().ExpiresAt
	if guard.IsZero() {
		return idle
	}
	h.keeper.Say(Event{Kind: Held, Until: guard})
	return min(idle, time.Until(h.askAt(guard)), max(time.Until(guard)/2, longestLook))
}

// askAt returns when the command has to be asked to end for the sake of that guard.
func (h *hold) askAt(guard time.Time) time.Time { return guard.Add(-h.grace) }

// tick does what is due at now.
func (h *hold) tick(now time.Time) {
	switch h.state {
	case running:
		if h.stopped && h.keeper.Hung() {
			h.ask(now, "the job is stopped and its terminal has gone")
			return
		}
		if guard := h.slot.Info().ExpiresAt; !guard.IsZero() && !now.Before(h.askAt(guard)) {
			h.decide(Outcome{Kind: Lost, Reason: fmt.Sprintf("the slot of %q could not be renewed in time", h.keeper.Job.Key)})
			h.ask(now, "the slot cannot be renewed")
		}
	case asked:
		if !now.Before(h.killAt) {
			h.kill(now)
		}
	case killing:
		h.tree.Kill()
		if !h.told && now.Sub(h.since) >= stubborn {
			h.told = true
			h.keeper.Say(Event{Kind: Stubborn, Left: h.tree.Left()})
		}
	}
}

// changed takes what has happened to the command.
func (h *hold) changed() {
	for _, e := range h.tree.Events() {
		switch e.Change {
		case process.Exited:
			h.exited = true
			h.decide(ended(e))
			if h.state == running && !h.tree.Gone() {
				h.ask(time.Now(), "the command has ended, and what it had started has not")
			}
		case process.Stopped:
			h.stopped = true
			h.keeper.Say(Event{Kind: Stopped, Signal: e.Signal})
		case process.Continued:
			h.stopped = false
			h.keeper.Say(Event{Kind: Continued})
		}
	}
}

// heed passes a signal on. Without anybody who gives orders the command is ended.
func (h *hold) heed(o Order, ok bool) {
	switch {
	case !ok:
		h.orders = nil
		if h.state == running {
			h.ask(time.Now(), "berth has gone")
		}
	case !o.Shared:
		h.tree.Signal(o.Signal)
	}
}

// lost ends everything at once: the slot can be somebody else's soon.
func (h *hold) lost() {
	h.decide(Outcome{Kind: Lost, Reason: context.Cause(h.slot.Context()).Error()})
	h.kill(time.Now())
}

// decide notes how the job ended. What came first counts.
func (h *hold) decide(o Outcome) {
	if h.outcome == nil {
		h.outcome = &o
	}
}

// ask asks everything to end, which has until the end of the grace.
func (h *hold) ask(now time.Time, reason string) {
	h.state, h.killAt, h.look = asked, now.Add(h.grace), 0
	h.keeper.Say(Event{Kind: Ending, Reason: reason})
	h.tree.Ask()
}

// kill begins to kill everything.
func (h *hold) kill(now time.Time) {
	if h.state == killing {
		return
	}
	h.state, h.since, h.look = killing, now, 0
	h.tree.Kill()
}
