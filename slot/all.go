package slot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

var (
	_ Source  = (*all)(nil)
	_ Trier   = (*all)(nil)
	_ Limiter = (*all)(nil)

	_ Partitioner = (*all)(nil)

	_ Abandoner = (*allSlot)(nil)
)

// all claims a slot of each of its sources.
type all struct {
	sources []Source
	invalid error // why every claim is refused, or nil
}

// All returns a source whose slots are one slot of each source, claimed in the
// order given: with All(perHost, global) nobody sits on one of the few global
// slots while it waits for its host. Every source gets the same key and maps it
// in its own way.
//
// A claim holds what it has been granted while it waits for the next source.
// If one of those is lost or a source refuses, all are released and the claim
// fails with that error. The slot's context ends when the context of any part
// ends, with the same cause, and then the other parts are released. Limit is
// the smallest limit; the slot is Strict if each part is, SingleUse if one is,
// and has the fence of a part whose limit is 1.
//
// Enqueue enqueues at each source that grants at once and at the first that does
// not, one after the other. Wait takes the places in the lines that remain, so a
// place in a later line is taken only when the earlier slots are held. Each
// source grants in the order in which claims reach its own line. Try may
// hold a slot of an earlier source for a moment although it then fails; put a
// source for which that is costly, such as [MinHold], last.
//
// Two claims that need slots of the same sources in different orders can wait
// for each other for ever: name shared sources in the same order in every All,
// in every process. A job that claims a slot while it holds one is in the same
// danger.
//
// Close closes the sources. All of one source is that source; without a
// source, with a nil one, or with the same one twice, every claim is refused, and
// [Check] says so. A source inside another is found in All, [MinHold] and
// [Fallback], and through methods Unwrap() Source and Unwrap() []Source; that two
// sources stand for the same slots of an engine is not noticed.
func All(sources ...Source) Source {
	if len(sources) == 1 && sources[0] != nil {
		return sources[0]
	}
	a := &all{sources: slices.Clone(sources)}
	if len(sources) == 0 {
		a.invalid = errors.New("slot: All needs at least one source")
	}
	for i, src := range sources {
		if err := Check(src); err != nil && a.invalid == nil {
			a.invalid = within(fmt.Sprintf("source %d of All", i+1), err)
		}
		if a.invalid == nil && repeats(sources[:i+1]) {
			a.invalid = fmt.Errorf("slot: source %d of All is there already, or has one inside that is: "+
				"a claim could wait for itself. Name each source once", i+1)
		}
	}
	return a
}

func (a *all) inside() []Source { return a.sources }

func (a *all) check() error { return a.invalid }

func (a *all) Enqueue(ctx context.Context, key string) (Ticket, error) {
	if a.invalid != nil {
		return nil, a.invalid
	}
	t := &allTicket{src: a, key: key, trace: TraceFrom(ctx)}
	if err := t.advance(ctx); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func (a *all) Try(ctx context.Context, key string) (Slot, bool, error) {
	if a.invalid != nil {
		return nil, false, a.invalid
	}
	var parts []Slot
	for _, src := range a.sources {
		s, ok, err := Try(ctx, src, key)
		if !ok || err != nil {
			releaseAll(parts)
			return nil, false, err
		}
		parts = append(parts, s)
	}
	s, err := a.newSlot(key, parts)
	return s, err == nil, err
}

// Limit returns the smallest limit of all sources, if each of them knows its own.
func (a *all) Limit(key string) (int, bool) {
	least := 0
	for i, src := range a.sources {
		n, ok := limitOf(src, key)
		if !ok {
			return 0, false
		}
		if i == 0 || n < least {
			least = n
		}
	}
	return least, a.invalid == nil
}

// Partition names the parts of all sources that serve key: a claim needs each.
func (a *all) Partition(key string) string {
	var id []byte
	for _, src := range a.sources {
		id = strconv.AppendQuote(id, partitionOf(src, key))
	}
	return string(id)
}

func limitOf(src Source, key string) (int, bool) {
	if l, ok := src.(Limiter); ok {
		return l.Limit(key)
	}
	return 0, false
}

// Close closes every source at the same time, since each may have to wait.
func (a *all) Close(ctx context.Context) error {
	errs := make([]error, len(a.sources))
	var wg sync.WaitGroup
	for i, src := range a.sources {
		if src != nil {
			wg.Go(func() { errs[i] = src.Close(ctx) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// newSlot makes one slot of a slot of each source. If one of them has been lost
// since, it releases all.
func (a *all) newSlot(key string, parts []Slot) (Slot, error) {
	s := &allSlot{src: a, key: key, parts: parts}
	contexts := make([]context.Context, len(parts))
	for i, part := range parts {
		contexts[i] = part.Context()
	}
	s.ctx = linkctx.Join(contexts...)
	s.mu.Lock()
	s.stop = context.AfterFunc(s.ctx, func() { _ = s.Release() })
	s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, s.Release()
	}
	return s, nil
}

// releaseAll releases slots in the reverse order of their claims, the scarcest
// first.
func releaseAll(parts []Slot) error {
	var errs []error
	for _, part := range slices.Backward(parts) {
		errs = append(errs, part.Release())
	}
	return errors.Join(errs...)
}

// An allSlot is one slot of each source. It releases itself when a part is
// lost.
type allSlot struct {
	src   *all
	key   string
	parts []Slot
	ctx   *linkctx.Context
	mu    sync.Mutex  // guards stop; nothing blocks while it is held
	stop  func() bool // ends the watch over the parts
	once  sync.Once
	err   error // what Release returns; written inside once
}

func (s *allSlot) Context() context.Context { return s.ctx }

// Unwrap returns the parts.
func (s *allSlot) Unwrap() []Slot { return slices.Clone(s.parts) }

func (s *allSlot) Release() error {
	s.once.Do(func() {
		s.ctx.Cancel(ErrReleased) // unless a loss came first, which decides the cause
		s.stopWatching()
		s.err = releaseAll(s.parts)
		if cause := context.Cause(s.ctx); !errors.Is(cause, ErrReleased) {
			s.err = cause
		}
	})
	return s.err
}

// Abandon leaves every part to its lease. The first that ends takes the others
// with it.
func (s *allSlot) Abandon() {
	for _, part := range s.parts {
		abandon(part)
	}
}

func (s *allSlot) stopWatching() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *allSlot) Info() Info {
	merged := Info{Key: s.key, Strict: true}
	for i, part := range s.parts {
		in := part.Info()
		if in.GrantedAt.After(merged.GrantedAt) {
			merged.GrantedAt, merged.Age = in.GrantedAt, in.Age
		}
		merged.ConfirmedAt = later(merged.ConfirmedAt, in.ConfirmedAt)
		merged.ExpiresAt = earlierDeadline(merged.ExpiresAt, in.ExpiresAt)
		merged.StartBy = earlierDeadline(merged.StartBy, in.StartBy)
		merged.PausedUntil = later(merged.PausedUntil, in.PausedUntil)
		merged.Queued = merged.Queued || in.Queued
		merged.SingleUse = merged.SingleUse || in.SingleUse
		merged.Strict = merged.Strict && in.Strict
		n := in.Limit
		if n == 0 {
			n, _ = limitOf(s.src.sources[i], s.key)
		}
		if n == 1 && merged.Fence == 0 {
			merged.Fence = in.Fence
		}
		if n > 0 && (merged.Limit == 0 || n < merged.Limit) {
			merged.Limit = n
		}
	}
	return merged
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlierDeadline returns the earlier of two deadlines, of which a zero one
// never comes.
func earlierDeadline(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
