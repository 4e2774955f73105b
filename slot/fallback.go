package slot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	_ Source  = (*fallback)(nil)
	_ Trier   = (*fallback)(nil)
	_ Limiter = (*fallback)(nil)
)

// probeEvery is how often a source that is not available is asked whether it is
// back, while claims use the local share.
const probeEvery = time.Second

// errBack ends waits in the line of the local share.
var errBack = errors.New("slot: the source is available again")

// fallback claims from its source, or from a local share during an outage.
type fallback struct {
	src, local Source
	after      time.Duration
	invalid    error // why every claim is refused, or nil

	mu     sync.Mutex // guards what follows; nothing blocks while it is held
	outage outage
	// away ends when the source is back; nil while nobody waits for that.
	away context.Context
	back context.CancelCauseFunc // ends away
}

// Fallback returns a source that claims from src, and from local while src is
// not available: once claims have failed with [ErrUnavailable] for the time
// after. Until then they fail with that error, and a pool tries them again; with
// 0 none does. During the outage src is asked once a second whether it is back, by
// a claim or, while claims wait in the line of local, by a Try of one of them.
// When it is, all claims go there again, also those that wait.
//
// The limit is a weaker promise then: each process that falls back has the
// slots of its own local share, so their sum is what can run at once, beside
// what still holds a slot of src. Slots of local that are held when src comes
// back stay held until they are released. Choose local as this process's part
// of the limit, or decide to wait and do not fall back. Slots of local are never
// Strict and have no Fence. Limit is that of src.
//
// Close closes both. A negative after and a nil source refuse every claim, and
// [Check] says so.
func Fallback(src, local Source, after time.Duration) Source {
	f := &fallback{src: src, local: local, after: after}
	if err := Check(src); err != nil {
		f.invalid = err
	} else if err := Check(local); err != nil {
		f.invalid = fmt.Errorf("slot: the local share of Fallback: %w", err)
	} else if after < 0 {
		f.invalid = fmt.Errorf("slot: Fallback after %v: the time must not be negative", after)
	}
	return f
}

func (f *fallback) check() error { return f.invalid }

func (f *fallback) Enqueue(ctx context.Context, key string) (Ticket, error) {
	if f.invalid != nil {
		return nil, f.invalid
	}
	p, err := f.enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return &fallbackTicket{src: f, key: key, place: p}, nil
}

// enqueue takes a place where claims go now.
func (f *fallback) enqueue(ctx context.Context, key string) (place, error) {
	if f.asksSource() {
		ticket, err := f.src.Enqueue(ctx, key)
		if !f.fallsBack(ctx, err) {
			return place{ticket: ticket}, err
		}
	}
	ticket, err := f.local.Enqueue(ctx, key)
	return place{ticket: ticket, local: true}, err
}

func (f *fallback) Try(ctx context.Context, key string) (Slot, bool, error) {
	if f.invalid != nil {
		return nil, false, f.invalid
	}
	if f.asksSource() {
		s, ok, err := Try(ctx, f.src, key)
		if !f.fallsBack(ctx, err) {
			return s, ok, err
		}
	}
	s, ok, err := Try(ctx, f.local, key)
	if !ok || err != nil {
		return nil, false, err
	}
	return localShare{s}, true, nil
}

// Limit returns the limit of the source, which local has not.
func (f *fallback) Limit(key string) (int, bool) { return limitOf(f.src, key) }

// Close closes both sources at the same time.
func (f *fallback) Close(ctx context.Context) error {
	return (&all{sources: []Source{f.src, f.local}}).Close(ctx)
}

// asksSource reports whether a claim goes to the source.
func (f *fallback) asksSource() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outage.asks(time.Now(), f.after)
}

// fallsBack notes how a claim at the source ended, and reports whether the
// local share has to serve it. The end of the caller's patience says nothing
// about the source.
func (f *fallback) fallsBack(ctx context.Context, err error) bool {
	if err != nil && ctx.Err() != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	falls := f.outage.note(err, time.Now(), f.after)
	if f.away != nil && f.outage.isZero() {
		f.back(errBack)
		f.away = nil
	}
	return falls
}

// untilBack returns a context that ends when the source is back.
func (f *fallback) untilBack() context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outage.isZero() {
		return isBack
	}
	if f.away == nil {
		f.away, f.back = context.WithCancelCause(context.Background())
	}
	return f.away
}

// isBack has ended: the source is available.
var isBack = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errBack)
	return ctx
}()

// probe asks the source once in probeEvery whether it is back, until ctx ends.
func (f *fallback) probe(ctx context.Context, key string) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !f.asksSource() {
			continue // somebody else did
		}
		s, ok, err := Try(ctx, f.src, key)
		if ok {
			_ = s.Release()
		}
		f.fallsBack(ctx, err)
	}
}

// An outage is what is known about a source that is not available. It is zero
// while the source is.
type outage struct {
	since time.Time // of the first claim that failed
	asked time.Time // when the source was last asked
}

func (o *outage) isZero() bool { return o.since.IsZero() }

// over reports whether claims have failed for long enough to stop asking.
func (o *outage) over(now time.Time, after time.Duration) bool {
	return !o.isZero() && now.Sub(o.since) >= after
}

// asks reports whether the next claim goes to the source: always, but during an
// outage once in probeEvery.
func (o *outage) asks(now time.Time, after time.Duration) bool {
	if o.over(now, after) && now.Sub(o.asked) < probeEvery {
		return false
	}
	o.asked = now
	return true
}

// note takes the outcome of a claim at the source and reports whether the
// outage has lasted long enough. Any answer of the engine ends it.
func (o *outage) note(err error, now time.Time, after time.Duration) bool {
	if !errors.Is(err, ErrUnavailable) {
		*o = outage{}
		return false
	}
	if o.isZero() {
		o.since = now
	}
	return o.over(now, after)
}
