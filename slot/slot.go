package slot

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrLost is the cause of a slot's context when the slot was lost before it
	// was released, and is returned by Release where the loss is known. The
	// work done under the slot must stop: somebody else may soon hold it.
	ErrLost = errors.New("slot: lost")

	// ErrReleased is the cause of a slot's context after Release.
	ErrReleased = errors.New("slot: released")

	// ErrUnavailable is returned when the engine behind a source cannot be
	// reached. It says nothing about the slot: trying again later can work.
	ErrUnavailable = errors.New("slot: source unavailable")

	// ErrKey is returned when a source cannot use a key. Trying again with the
	// same key fails again.
	ErrKey = errors.New("slot: invalid key")

	// ErrClosed is returned when a source or a ticket is used after its Close.
	// Together with ErrLost it is the cause of the context of a slot that was
	// held when its source was closed.
	ErrClosed = errors.New("slot: closed")
)

// A Source grants slots. It is safe for concurrent use.
//
// Claiming has two phases, so that a caller with other work need not block:
// Enqueue takes a place in line and returns at once, [Ticket.Wait] blocks until
// the slot is granted. How a key becomes a semaphore and a limit is the
// source's business.
type Source interface {
	// Enqueue takes a place in the line of key. It takes a round trip to the
	// engine, or a second one where the first has found no slot free, plus
	// opening the session where none is open: a dial, a handshake, a lease. It
	// never waits for the holders of the slots. When it returns an error no place
	// is held. ctx bounds the call alone: a ticket that was returned does not
	// depend on it.
	//
	// The error matches ErrKey, ErrUnavailable, ErrClosed or the cause of ctx,
	// or is the engine's own refusal. [IsPermanent] tells whether waiting can
	// cure it.
	Enqueue(ctx context.Context, key string) (Ticket, error)

	// Close gives back what is still held, after ending its contexts, writes
	// releases that are on their way, ends every Wait with ErrClosed, and ends
	// the source's connections, timers and goroutines. It returns when that is
	// done or ctx ends, whichever is first; it is idempotent and safe to call
	// at any time. Where an engine does not take a place in line back, a source
	// may go on for a bounded time after that, to give back what is granted; its
	// documentation says so.
	Close(ctx context.Context) error
}

// A Ticket is a place in line, from one Enqueue. Its owner calls Slot, Wait or
// Close, and is done with it once it has a slot or has called Close.
//
// An owner who calls neither Wait nor Close keeps the place, and a slot that is
// granted to it, from the others. A source whose slots have leases does not renew
// that slot, and gives it back when its lease ends; then Wait returns
// ErrUnavailable. Where slots have no lease, as those of [Local], or where a part of
// them is taken already, as by [All], it is kept until the owner asks or the source
// is closed: like a slot that nobody releases.
type Ticket interface {
	// Slot returns the slot if it was granted at once, without blocking.
	Slot() (Slot, bool)

	// Wait blocks until the slot is granted and returns it. When ctx ends
	// first the place in line is given up, a slot granted meanwhile goes back,
	// and the error matches the cause of ctx. A place that is lost, with its
	// connection or the lease that it hangs on, ends Wait with ErrUnavailable or
	// ErrLost. After any error the ticket is closed.
	Wait(ctx context.Context) (Slot, error)

	// Close leaves the line. A slot that was granted but not yet returned by
	// Slot or Wait goes back; one that was returned stays with its holder.
	// Close ends a Wait that blocks. It is idempotent and does not block on
	// the network.
	Close() error
}

// A Slot is the right to run, one of the limit of its key. It is safe for
// concurrent use. One that stands for another slot, or for several, should have a
// method Unwrap() Slot or Unwrap() []Slot that returns them: instrumentation
// finds its own slots by it.
type Slot interface {
	// Context ends with cause ErrLost before anyone else can be granted the
	// slot, as far as the source can tell (see the source's documentation for
	// what it promises), and with cause ErrReleased after Release. Work done
	// under the slot must stop when it ends. It carries no values.
	Context() context.Context

	// Release gives the slot back. The release is written and not waited for.
	// It returns ErrLost where the slot is known to have been lost, and nil
	// otherwise. It is idempotent: later calls return what the first did.
	Release() error

	// Info describes the slot as it is now.
	Info() Info
}

// Info describes a slot.
type Info struct {
	// Key is the key that was claimed.
	Key string
	// Limit is what the slot was claimed with: while it is held, no more slots of
	// its semaphore are. It is 0 where the source does not say.
	Limit int
	// GrantedAt is when the grant was read, before any confirmation.
	GrantedAt time.Time
	// Age is how old the grant may have been when it was read, where that is not nothing
	// and the source knows: word of it was lost on its way, for example.
	Age time.Duration
	// ConfirmedAt is when the slot was known to be held. It equals GrantedAt
	// where a source needs no confirmation.
	ConfirmedAt time.Time
	// Queued reports whether the claim had to wait in line.
	Queued bool
	// Fence is a fencing token: among grants of a key of limit 1, a later
	// grant has a higher one. It is 0 where the source has none.
	Fence uint64
	// SingleUse says that the slot must serve one job only.
	SingleUse bool
	// StartBy is until when something may start under the slot: release it after that,
	// and claim another. It is zero where it may at any time; see [Pace].
	StartBy time.Time
	// Strict says that the engine keeps the slot for its whole lease when the
	// connection breaks. Context then ends before anyone else is granted the
	// slot, whatever the network does, and a break alone ends nothing: the slot
	// is renewed over another connection. Where Strict is false the engine may
	// grant it again as soon as it sees the break, which its holder may learn
	// later.
	//
	// Strict is about the connection. It cannot promise that the engine
	// remembers the slot: one that loses its state, in a restart without it or a
	// failover to a machine that had not heard of the slot, grants it again, and
	// Context ends only when a renewal is refused or its lease is over. A source
	// sets Strict only where its engine can be run so that this does not happen,
	// by storing its state or by granting nothing for a lease after a start, and
	// its documentation says what that takes.
	Strict bool
	// ExpiresAt is when Context ends unless the lease is renewed before. It is
	// zero where slots have no lease.
	ExpiresAt time.Time
	// PausedUntil is until when the key is paused, see [Controller], as the
	// engine said when the slot was last renewed: do not start something new
	// under the slot before. It is zero where nothing was said.
	PausedUntil time.Time
}

// A Trier is a Source that can claim a slot without taking a place in line.
type Trier interface {
	// Try claims a slot of key if one is free now. Without one it returns
	// false, no error, and leaves nothing behind.
	Try(ctx context.Context, key string) (Slot, bool, error)
}

// A Limiter is a Source that knows how many slots a key has.
type Limiter interface {
	// Limit returns the number of slots of key, or false if it is not known.
	Limit(key string) (n int, ok bool)
}

// Try claims a slot of key if one is free now. It takes as long as Enqueue at
// most and never waits for a holder: without a free slot it returns false and no
// error. A source that is a [Trier] does it in one request; of any other it
// joins the line and leaves it again.
func Try(ctx context.Context, src Source, key string) (Slot, bool, error) {
	if src == nil {
		return nil, false, Check(src)
	}
	if t, ok := src.(Trier); ok {
		return t.Try(ctx, key)
	}
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return nil, false, err
	}
	if s, ok := ticket.Slot(); ok {
		return s, true, nil
	}
	return nil, false, ticket.Close()
}

// An Abandoner is a Slot that can be left to its lease: it is renewed no more,
// its context ends when the lease can no longer be relied on, and nobody else
// is granted it before the lease ends. A pool does this to the slot of a job that
// ignores its context.
type Abandoner interface {
	// Abandon is idempotent and does not block. Release can still follow, and
	// gives back what is left.
	Abandon()
}

// abandon leaves s to its lease, if it has one.
func abandon(s Slot) {
	if a, ok := s.(Abandoner); ok {
		a.Abandon()
	}
}
