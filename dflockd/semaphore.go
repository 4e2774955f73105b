package dflockd

import (
	"errors"
	"fmt"
)

// A Semaphore is one claim of a semaphore that at most limit holders may have
// at once, in this process or any other. It holds one slot at a time, on one
// connection. It is safe for concurrent use; for many slots at once, as a pool
// needs them, use a [Source].
type Semaphore struct{ *holder }

// NewSemaphore returns a Semaphore of the given name and limit. It checks the
// options and dials nothing. On an original server every client of the key must
// give it the same limit; on one of this module each claim keeps its own.
func NewSemaphore(key string, limit int, opts ...Option) (*Semaphore, error) {
	h, err := newHolder(key, limit, semaphoreVerbs, opts)
	if err != nil {
		return nil, err
	}
	return &Semaphore{h}, nil
}

// Limit returns how many may hold the semaphore at once.
func (s *Semaphore) Limit() int { return s.limit }

// A Lock is a [Semaphore] of limit 1: one holder at most.
type Lock struct{ *holder }

// NewLock returns a Lock of the given name. It checks the options and dials
// nothing.
func NewLock(key string, opts ...Option) (*Lock, error) {
	h, err := newHolder(key, 1, lockVerbs, opts)
	if err != nil {
		return nil, err
	}
	return &Lock{h}, nil
}

// Status is what Enqueue returns.
type Status int

// What Enqueue found.
const (
	Acquired Status = iota + 1 // the slot was free and is held
	Queued                     // there is a place in line; Wait waits for the slot
)

// String returns "acquired" or "queued".
func (s Status) String() string {
	switch s {
	case Acquired:
		return "acquired"
	case Queued:
		return "queued"
	default:
		return fmt.Sprintf("Status(%d)", int(s))
	}
}

// An OpenOption changes one Acquire or Enqueue.
type OpenOption func(*opening)

type opening struct{ force bool }

// Force has Acquire or Enqueue close an earlier claim first, as Close does: its
// context ends with cause [ErrClosed], and its slot is not released.
func Force() OpenOption { return func(o *opening) { o.force = true } }

func newOpening(opts []OpenOption) (opening, error) {
	var o opening
	for _, opt := range opts {
		if opt == nil {
			return o, errors.New("an option is nil")
		}
		opt(&o)
	}
	return o, nil
}
