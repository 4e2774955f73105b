package keeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/berth-go/berth/slot"
)

// interrupted is why a claim is given up when a signal came.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("interrupted by %v", i.signal) }

// A claiming is a claim that heeds orders while it waits.
type claiming struct {
	keeper *Keeper
	ctx    context.Context
	giveUp context.CancelCauseFunc
	orders <-chan Order
	paused bool // by Ctrl-Z: then a command that would run must not start
}

// An answer is what became of a claim.
type answer struct {
	slot slot.Slot
	err  error
}

// claim waits for the slot.
func (k *Keeper) claim(ctx context.Context) (slot.Slot, *Outcome) {
	begin := time.Now()
	c := &claiming{keeper: k, orders: k.Orders}
	c.ctx, c.giveUp = context.WithCancelCause(ctx)
	defer c.giveUp(nil)
	s, err := c.granted()
	if err == nil {
		err = c.resumed(s)
	}
	if err != nil {
		return nil, refused(err)
	}
	k.Say(Event{Kind: Granted, Waited: time.Since(begin)})
	return s, nil
}

// granted waits for the slot. It returns when the claim has ended, also where it was
// given up, so that nothing is granted later.
func (c *claiming) granted() (slot.Slot, error) {
	w := &wait{keeper: c.keeper, events: make(chan Event)}
	got := make(chan answer, 1)
	go func() {
		s, err := w.acquire(c.ctx)
		got <- answer{s, err}
	}()
	for {
		select {
		case e := <-w.events:
			c.keeper.Say(e)
		case o, ok := <-c.orders:
			c.heed(o, ok)
		case a := <-got:
			return a.slot, a.err
		}
	}
}

// resumed waits until the command may start, and gives s back if it is not to any
// more.
func (c *claiming) resumed(s slot.Slot) error {
	ticks := time.NewTicker(askHung)
	defer ticks.Stop()
	for c.paused && c.ctx.Err() == nil {
		select {
		case o, ok := <-c.orders:
			c.heed(o, ok)
		case <-ticks.C:
			if c.keeper.Hung() {
				c.giveUp(interrupted{syscall.SIGHUP})
			}
		case <-s.Context().Done():
			return context.Cause(s.Context())
		}
	}
	if c.ctx.Err() != nil {
		_ = s.Release()
		return context.Cause(c.ctx)
	}
	return nil
}

// heed takes an order, or the news that no more will come.
func (c *claiming) heed(o Order, ok bool) {
	switch {
	case !ok:
		c.orders = nil
		c.giveUp(errGone)
	case isContinue(o.Signal):
		c.paused = false
	case isStop(o.Signal):
		c.paused = true
	default:
		c.giveUp(interrupted{o.Signal})
	}
}

// A wait is the way to a slot. Its acquire runs on a goroutine of its own.
type wait struct {
	keeper *Keeper
	events chan Event
	lined  bool // there was a place in line once
}

// say tells the keeper, unless it has given up.
func (w *wait) say(ctx context.Context, e Event) {
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
}

// longestPause is how long an engine that was away is left alone at most.
const longestPause = 5 * time.Second

// acquire claims the slot. A place in line that is lost is taken anew, at the end,
// and so is a claim that found no engine, if that is to be waited for.
func (w *wait) acquire(ctx context.Context) (slot.Slot, error) {
	job := w.keeper.Job
	if t := job.Timeout; t != nil {
		if *t == 0 {
			return w.try(ctx)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, *t, fmt.Errorf("no slot of %q was granted within %v", job.Key, *t))
		defer cancel()
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, longestPause) {
		s, err := w.once(ctx)
		again := (w.lined || job.WaitForEngine) && errors.Is(err, slot.ErrUnavailable) && !slot.IsPermanent(err)
		if err == nil || ctx.Err() != nil || !again {
			return s, reasonOf(ctx, err)
		}
		w.say(ctx, Event{Kind: Away, Reason: err.Error()})
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// reasonOf prefers why the claim was given up to how the engine says it.
func reasonOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// try claims a slot that is free now.
func (w *wait) try(ctx context.Context) (slot.Slot, error) {
	s, ok, err := slot.Try(ctx, w.keeper.Source, w.keeper.Job.Key)
	if err == nil && !ok {
		err = fmt.Errorf("no slot of %q is free", w.keeper.Job.Key)
	}
	return s, reasonOf(ctx, err)
}

// once claims the slot, and stays in line for it.
func (w *wait) once(ctx context.Context) (slot.Slot, error) {
	ticket, err := w.keeper.Source.Enqueue(ctx, w.keeper.Job.Key)
	if err != nil {
		return nil, err
	}
	if s, ok := ticket.Slot(); ok {
		return s, nil
	}
	w.lined = true
	e := Event{Kind: Queued}
	if n, ok := slot.Ahead(ticket); ok {
		e.Ahead = &n
	}
	w.say(ctx, e)
	return ticket.Wait(ctx)
}
