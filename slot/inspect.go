package slot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxListed is how many holders, and how many waiters, a [State] lists at most.
const MaxListed = 1000

// An Inspector is a Source that can tell who has the slots of a key and who waits
// for them.
type Inspector interface {
	// Inspect returns the state of key's semaphore at one moment. It takes a
	// round trip to the engine, plus opening a session, and claims nothing. A key that nobody holds or
	// waits for has an empty State. The error is one that Enqueue could have
	// returned, or matches errors.ErrUnsupported where the engine behind the
	// source cannot tell.
	Inspect(ctx context.Context, key string) (State, error)
}

// State is who holds slots of a semaphore and who waits for one. It holds
// nothing by which a slot could be renewed or released.
type State struct {
	// Name is that of the semaphore, as the engine knows it.
	Name string
	// Held and Waiting count all. Holders and Waiters list MaxListed of them at
	// most, and may list fewer, or none, where the engine knows less of each.
	Held, Waiting int
	// Holders are those who hold a slot, in the order of their grants where the
	// engine knows it.
	Holders []Holder
	// Waiters are those who wait, the first in line first.
	Waiters []Waiter
	// PausedUntil is until when nothing is granted, by the clock of this
	// process; zero if nothing stops grants.
	PausedUntil time.Time
}

// A Holder has a slot. What the engine does not know is zero.
type Holder struct {
	// Name is what the holder calls itself: the name that its source was given,
	// by default its host and process id.
	Name string
	// ID names the grant, for [Controller]. It is no secret: nothing is renewed
	// or released by it. Where the engine has fences it is the fence, as 16
	// lower-case hexadecimal digits.
	ID string
	// Limit is what the slot was claimed with.
	Limit int
	// Since is when the slot was granted.
	Since time.Time
	// Until is when the lease ends unless it is renewed before.
	Until time.Time
}

// A Waiter has a place in line. What the engine does not know is zero.
type Waiter struct {
	// Name is what the waiter calls itself, as that of a Holder.
	Name string
	// Limit is what it claims a slot with.
	Limit int
	// Since is when it joined the line.
	Since time.Time
}

// A Liner is a [Ticket], or the [Place] of a joined claim, that knows where in
// line it began.
type Liner interface {
	// Ahead returns how many claims were in line in front when this one joined
	// it, and false while that is not known: the engine has not answered, or
	// does not tell, or no line had to be joined. It does not block, and the
	// number does not change: nobody asks the engine again.
	Ahead() (n int, ok bool)
}

// Ahead returns where in line a ticket or a place began, if it is a [Liner].
func Ahead(t any) (n int, ok bool) {
	if l, is := t.(Liner); is {
		return l.Ahead()
	}
	return 0, false
}

var (
	// ErrRevoked is, together with ErrLost, the cause of a slot's context when
	// somebody took the slot back with [Controller].Revoke.
	ErrRevoked = errors.New("slot: taken back by an operator")

	// ErrNotAllowed is returned by a [Controller] to a client that may not do what
	// it asks for.
	ErrNotAllowed = errors.New("slot: not allowed")

	// ErrNoHolder is returned by Revoke when no slot of the key has this ID.
	ErrNoHolder = errors.New("slot: nobody holds a slot with this ID")
)

// A Controller is a Source that can hold up the grants of a key, and take a slot
// back. Both are for all clients of the engine.
type Controller interface {
	// Pause lets no slot of key's semaphore be granted for d, to anybody. Slots
	// that are held stay so, and are renewed; a pool starts no new job on one
	// once it has heard, see [Info].PausedUntil. It is a courtesy to what the
	// jobs use, such as a site that asked for less, and no safety promise: an
	// engine may forget it in a restart.
	//
	// Pauses do not add up: the one that ends last counts. A client that is not
	// an administrator of the engine may pause for MaxPause at most, and only a
	// name of which it holds a slot or waits for one; it ends no pause. A d of 0,
	// for administrators, ends what pause there is. A negative d is an error.
	Pause(ctx context.Context, key string, d time.Duration) error

	// Revoke takes back the slot whose Holder has this ID: it is not renewed any
	// more, so that it is free when its lease ends, and no sooner: the holder
	// learns it at its next renewal, when the slot's context ends with a cause
	// that matches ErrLost and ErrRevoked. Where slots have no lease the context
	// ends at once, and the slot is free when its holder releases it. It is for
	// administrators. It returns ErrNoHolder where nobody has the ID.
	//
	// Both return an error that matches ErrNotAllowed for what this client may
	// not do, and errors.ErrUnsupported for what the engine cannot.
	Revoke(ctx context.Context, key, id string) error
}

// MaxPause is how long a client that is no administrator may pause a key.
const MaxPause = time.Minute

// Inspect asks src for the state of key, if it is an [Inspector]. [MinHold] and
// [Fallback] are looked through to their source, and so is a source of another
// package with a method Unwrap() Source that is no Inspector: one that changes keys
// has to be one itself. Otherwise, and for [All], whose parts can be asked, the error
// matches errors.ErrUnsupported.
func Inspect(ctx context.Context, src Source, key string) (State, error) {
	in, err := find[Inspector](src, "tell who holds its slots")
	if err != nil {
		return State{}, err
	}
	return in.Inspect(ctx, key)
}

// Pause pauses key, if src is a [Controller] or looked through as by [Inspect].
func Pause(ctx context.Context, src Source, key string, d time.Duration) error {
	c, err := find[Controller](src, "be paused")
	if err != nil {
		return err
	}
	return c.Pause(ctx, key, d)
}

// Revoke takes a slot of key back, if src is a [Controller] or looked through as by
// [Inspect].
func Revoke(ctx context.Context, src Source, key, id string) error {
	c, err := find[Controller](src, "take a slot back")
	if err != nil {
		return err
	}
	return c.Revoke(ctx, key, id)
}

// A standIn is a source of this package in front of the one that has the slots.
type standIn interface{ standsFor() Source }

func (m *minHold) standsFor() Source  { return m.src }
func (f *fallback) standsFor() Source { return f.src }

// find returns src as a T, or what it stands for.
func find[T any](src Source, what string) (found T, err error) {
	if err := Check(src); err != nil {
		return found, err
	}
	for inner := src; inner != nil; inner = behind(inner) {
		if c, ok := inner.(T); ok {
			return c, nil
		}
	}
	return found, fmt.Errorf("slot: a %T cannot %s: %w", src, what, errors.ErrUnsupported)
}

// behind returns the source for which another stands, or nil.
func behind(src Source) Source {
	switch s := src.(type) {
	case standIn:
		return s.standsFor()
	case wrapper:
		return s.Unwrap()
	}
	return nil
}
