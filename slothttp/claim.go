package slothttp

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-go/berth/slot"
)

// claim waits for a slot of key. One that comes too late for a start goes back.
func claim(ctx context.Context, src slot.Source, key string) (slot.Slot, error) {
	for {
		ticket, err := src.Enqueue(ctx, key)
		if err != nil {
			return nil, &claimError{key, err}
		}
		s, err := ticket.Wait(ctx)
		if err != nil {
			return nil, &claimError{key, err}
		}
		if !slot.Late(s) {
			return s, nil
		}
		_ = s.Release()
	}
}

// A claimError says that there was no slot, so that nothing was sent or served.
type claimError struct {
	key string
	err error
}

func (e *claimError) Error() string { return fmt.Sprintf("slothttp: no slot of %q: %v", e.key, e.err) }
func (e *claimError) Unwrap() error { return e.err }

// Timeout makes the error of an http.Client say that a deadline has passed.
func (e *claimError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.err, &t) && t.Timeout()
}
