package slot

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

// TurnsSuffix is what the name of the turns of a semaphore ends with, see [Limits.Turns].
const TurnsSuffix = ":turns"

// Turns returns limits for what [Pace] makes a rate of where an engine has no clock: for
// each semaphore of l another one of n slots, whose name is followed by [TurnsSuffix].
// Claim nothing else of that name.
func (l Limits) Turns(n int) Limits {
	return Limits{kind: limitTurns, of: &l, n: n}
}

// turns are slots that are used up by their grant: who is granted one may go on, and it is
// kept for its time, whatever becomes of him.
type turns struct {
	slots *minHold
	time  time.Duration
}

func (t turns) Enqueue(ctx context.Context, key string) (Ticket, error) {
	ticket, err := t.slots.enqueue(ctx, key, t.time)
	if err != nil {
		return nil, err
	}
	return turnTicket{ticket}, nil
}

func (t turns) Try(ctx context.Context, key string) (Slot, bool, error) {
	s, ok, err := t.slots.try(ctx, key, t.time)
	if !ok || err != nil {
		return nil, false, err
	}
	return takeTurn(s), true, nil
}

func (t turns) Close(ctx context.Context) error { return t.slots.Close(ctx) }

type turnTicket struct{ Ticket }

func (t turnTicket) Slot() (Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	return takeTurn(s), true
}

func (t turnTicket) Wait(ctx context.Context) (Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return takeTurn(s), nil
}

func (t turnTicket) Ahead() (int, bool) { return Ahead(t.Ticket) }

// A turn that was taken. Nothing is held any more by who has it.
type turn struct {
	ctx *linkctx.Context
	in  Info
}

// takeTurn has a kept slot go on to its end by itself.
func takeTurn(kept Slot) Slot {
	in := kept.Info()
	_ = kept.Release()
	return &turn{ctx: linkctx.New(), in: Info{
		Key: in.Key, GrantedAt: in.GrantedAt, ConfirmedAt: in.ConfirmedAt, Age: in.Age, Queued: in.Queued,
		Strict: true, // it has nothing to lose
	}}
}

func (t *turn) Context() context.Context { return t.ctx }
func (t *turn) Info() Info               { return t.in }

func (t *turn) Release() error {
	t.ctx.Cancel(ErrReleased)
	return nil
}
