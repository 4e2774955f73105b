package slot

import (
	"context"
	"errors"

	"github.com/berth-go/berth/internal/linkctx"
)

// Do claims a slot of key, runs fn while it is held, and gives it back. It
// blocks until then, and returns what fn returns. If the slot cannot be claimed
// it returns why, and fn does not run.
//
// The context that fn gets has the values and the deadline of ctx, ends with it,
// and ends when the slot is lost: before anybody else can be granted it, as far
// as the source can tell. fn must stop then. An error
// that fn returns after the end of its context is joined with the cause, so
// that errors.Is(err, ErrLost) tells of a loss. A nil from fn is a success, even
// if the slot was lost on the way: only fn can know whether that mattered.
//
// A slot that comes too late for its start (see [Info].StartBy) is given back, and
// another is claimed.
//
// When fn panics the slot is given back and the panic goes on.
func Do(ctx context.Context, src Source, key string, fn func(context.Context) error) error {
	if fn == nil {
		return errors.New("slot: Do needs a function")
	}
	if err := Check(src); err != nil {
		return err
	}
	s, err := claim(ctx, src, key)
	if err != nil {
		return err
	}
	defer s.Release()
	return runUnder(ctx, s, fn)
}

// claim claims a slot of key under which something may start.
func claim(ctx context.Context, src Source, key string) (Slot, error) {
	for {
		ticket, err := src.Enqueue(ctx, key)
		if err != nil {
			return nil, err
		}
		s, err := ticket.Wait(ctx)
		if err != nil || !Late(s) {
			return s, err
		}
		_ = s.Release()
	}
}

// runUnder runs fn with a child of ctx that ends with the slot.
func runUnder(ctx context.Context, s Slot, fn func(context.Context) error) error {
	child := linkctx.Under(s.Context(), ctx)
	defer child.Cancel(ErrReleased)
	err := fn(child)
	if err == nil || child.Err() == nil {
		return err
	}
	if cause := context.Cause(child); !errors.Is(err, cause) {
		return errors.Join(err, cause)
	}
	return err
}
