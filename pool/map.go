package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// A MapOption says something about a [Map]: it is [Window], [KeyBy], [Unordered], or
// a [JobOption], which then counts for every item.
type MapOption interface{ mapOption() }

func (JobOption) mapOption() {}

type window int

func (window) mapOption() {}

// Window bounds the items of a Map that are queued, run, or are done and not yet
// taken by the loop. The default is twice the number of workers that the pool
// has when the loop begins.
func Window(n int) MapOption { return window(n) }

type unordered struct{}

func (unordered) mapOption() {}

// Unordered makes a Map yield each result as soon as it is there, whatever came
// before it in the sequence: a slow item then holds up no other. Where it matters
// whose result it is, fn returns that too. A job that maps over its own pool runs
// queued items itself meanwhile, and yields nothing while it does.
func Unordered() MapOption { return unordered{} }

type keyBy[T any] func(T) string

func (keyBy[T]) mapOption() {}

// KeyBy puts each item of a Map into the lane that f names, as [Key] does for
// one job. T is the type of the items.
func KeyBy[T any](f func(item T) string) MapOption { return keyBy[T](f) }

// Map runs fn on the pool for each item of seq, and yields what it returns, in
// the order of seq, each as soon as it and those before it are done:
//
//	for size, err := range pool.Map(ctx, p, slices.Values(urls), fetch) {
//
// With [Unordered] it yields each as soon as it is done itself. A sequence that can
// fail is for [Map2].
//
// Each item is a task of the pool, with middleware, slot and result of its own.
// An error, a panic (as a [*PanicError]) or a lost slot is that item's alone,
// and comes with the value that fn returned, if it did.
//
// At most a window of items is in flight, see [Window], so memory is bounded
// however long seq is. A worker never waits for the loop: it stores its result
// and goes on. The loop runs seq and starts items between its turns, on its own
// goroutine, and takes no item from seq while it has a result to yield and a
// full window; while seq blocks, nothing is yielded.
//
// When the loop ends early, by break, return or a panic, the items in flight are
// cancelled, and it ends when their jobs have returned. When ctx ends, nothing
// more is taken from seq, what is in flight is yielded, and unless seq has ended
// the last pair is a zero value with the cause of ctx. When the pool is shut down, the item that
// was refused is the last and has ErrClosed.
//
// A nil argument, a window below 1 and a KeyBy for another type yield one error
// and nothing else.
func Map[T, R any](ctx context.Context, p *Pool, seq iter.Seq[T], fn func(context.Context, T) (R, error), opts ...MapOption) iter.Seq2[R, error] {
	return Map2(ctx, p, withoutErrors(seq), fn, opts...)
}

// Map2 is [Map] for a sequence that can fail, such as the rows of a query or the
// pages of a listing: where it has an error instead of an item, fn is not called, and
// the error is yielded in its place, with a zero value. That ends the loop only if seq
// ends there, or the loop does.
func Map2[T, R any](ctx context.Context, p *Pool, seq iter.Seq2[T, error], fn func(context.Context, T) (R, error), opts ...MapOption) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		m, err := newMapping(ctx, p, fn, opts)
		if p == nil || seq == nil || fn == nil {
			err = errors.New("pool: Map needs a pool, a sequence and a function")
		}
		if err != nil {
			var none R
			yield(none, err)
			return
		}
		m.run(seq, yield)
	}
}

// withoutErrors returns a sequence as one whose items are never errors.
func withoutErrors[T any](seq iter.Seq[T]) iter.Seq2[T, error] {
	if seq == nil {
		return nil
	}
	return func(yield func(T, error) bool) {
		for item := range seq {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func newMapping[T, R any](ctx context.Context, p *Pool, fn func(context.Context, T) (R, error), opts []MapOption) (*mapping[T, R], error) {
	m := &mapping[T, R]{ctx: ctx, waitCtx: context.WithoutCancel(ctx), p: p, fn: fn}
	for _, opt := range opts {
		switch o := opt.(type) {
		case JobOption:
			m.opts = append(m.opts, o)
		case window:
			if m.window = int(o); m.window < 1 {
				return nil, fmt.Errorf("pool: Window: %d is below 1", m.window)
			}
		case unordered:
			m.unordered = true
		case keyBy[T]:
			if m.key = o; o == nil {
				return nil, errors.New("pool: KeyBy: the function is nil")
			}
		case nil:
			return nil, errors.New("pool: an option of Map is nil")
		default:
			return nil, fmt.Errorf("pool: Map cannot use the option %T for items of type %T", opt, *new(T))
		}
	}
	if m.window == 0 && p != nil {
		m.window = 2 * p.size()
	}
	return m, nil
}

// size returns the number of workers that the pool was told to have.
func (p *Pool) size() int {
	p.lock()
	defer p.unlock()
	return p.core.Size()
}
