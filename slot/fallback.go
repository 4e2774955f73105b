package slot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	_ Source      = (*fallback)(nil)
	_ Trier       = (*fallback)(nil)
	_ Limiter     = (*fallback)(nil)
	_ Partitioner = (*fallback)(nil)
)

// fallback claims from its source, or from a local share during an outage.
type fallback struct {
	src, local Source
	invalid    error // why every claim is refused, or nil
	outages    *outages
}

// Fallback returns a source that claims from src, and from local while src is
// not available: once claims have failed with [ErrUnavailable] for the time
// after. Until then they fail with that error, and a pool tries them again; with
// 0 none does. During an outage src is asked once a second whether it is back,
// by a Try of the key of the claim that failed last, on the account of Fallback:
// no claim waits for that. When src is back, all claims go there again, also
// those that wait in the line of local.
//
// Only an answer of the engine says that it is there: a slot, a place in line, or
// a refusal that is not permanent (see [IsPermanent]). Where src is a
// [Partitioner], an answer counts for the keys of its own part alone, so that
// claims for one server of several fall back while those for the others do not.
//
// The limit is a weaker promise then: each process that falls back has the
// slots of its own local share, so their sum is what can run at once, beside
// what still holds a slot of src. Slots of local that are held when src comes
// back stay held until they are released. Choose local as this process's part
// of the limit, or decide to wait and do not fall back. Slots of local are never
// Strict and have no Fence. Limit is that of src.
//
// Close ends the asking and closes both. A negative after, a nil source, and src
// itself as local refuse every claim, and [Check] says so.
func Fallback(src, local Source, after time.Duration) Source {
	f := &fallback{src: src, local: local, outages: newOutages(src, after)}
	if err := Check(src); err != nil {
		f.invalid = err
	} else if err := Check(local); err != nil {
		f.invalid = within("the local share of Fallback", err)
	} else if same(src, local) {
		f.invalid = errors.New("slot: Fallback from a source to itself: give a local share of its own, such as NewLocal")
	} else if after < 0 {
		f.invalid = fmt.Errorf("slot: Fallback after %v: the time must not be negative", after)
	}
	return f
}

func (f *fallback) check() error { return f.invalid }

func (f *fallback) inside() []Source { return []Source{f.src, f.local} }

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

// enqueue takes a place where claims for key go now.
func (f *fallback) enqueue(ctx context.Context, key string) (place, error) {
	back := f.outages.away(key)
	if back == nil {
		ticket, err := f.src.Enqueue(ctx, key)
		if back = f.outages.note(ctx, key, err); back == nil {
			return place{ticket: ticket}, err
		}
	}
	ticket, err := f.local.Enqueue(ctx, key)
	return place{ticket: ticket, back: back}, err
}

func (f *fallback) Try(ctx context.Context, key string) (Slot, bool, error) {
	if f.invalid != nil {
		return nil, false, f.invalid
	}
	if f.outages.away(key) == nil {
		s, ok, err := Try(ctx, f.src, key)
		if f.outages.note(ctx, key, err) == nil {
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

// Partition returns the part of the source.
func (f *fallback) Partition(key string) string { return partitionOf(f.src, key) }

// Close closes both sources at the same time.
func (f *fallback) Close(ctx context.Context) error {
	f.outages.close()
	return (&all{sources: []Source{f.src, f.local}}).Close(ctx)
}
