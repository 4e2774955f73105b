package slot

import (
	"context"
	"errors"
)

// Do claims a slot of key, runs fn while it is held, and gives it back. It
// blocks until then, and returns what fn returns. If the slot cannot be claimed
// it returns why, and fn does not run.
//
// The context that fn gets is a child of ctx that also ends when the slot is
// lost; fn must stop then, since somebody else may soon hold the slot. An error
// that fn returns after the end of its context is joined with the cause, so
// that errors.Is(err, ErrLost) tells of a loss. A nil from fn is a success, even
// if the slot was lost on the way: only fn can know whether that mattered.
//
// When fn panics the slot is given back and the panic goes on.
func Do(ctx context.Context, src Source, key string, fn func(context.Context) error) error {
	if fn == nil {
		return errors.New("slot: Do needs a function")
	}
	if err := Check(src); err != nil {
		return err
	}
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return err
	}
	s, err := ticket.Wait(ctx)
	if err != nil {
		return err
	}
	defer s.Release()
	return runUnder(ctx, s, fn)
}

// runUnder runs fn with a child of ctx that ends with the slot.
func runUnder(ctx context.Context, s Slot, fn func(context.Context) error) error {
	child := newLinkedContext(ctx, s.Context())
	defer child.cancel(ErrReleased)
	stop := context.AfterFunc(s.Context(), child.look)
	defer stop()
	err := fn(child)
	if err == nil || child.Err() == nil {
		return err
	}
	if cause := context.Cause(child); !errors.Is(err, cause) {
		return errors.Join(err, cause)
	}
	return err
}
