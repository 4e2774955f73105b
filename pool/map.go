package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// A MapOption says something about a [Map]: it is [Window], [KeyBy], or a
// [JobOption], which then counts for every item.
type MapOption interface{ mapOption() }

func (JobOption) mapOption() {}

type window int

func (window) mapOption() {}

// Window bounds the items of a Map that are queued, run, or are done and not yet
// taken by the loop. The default is twice the number of workers that the pool
// has when the loop begins.
func Window(n int) MapOption { return window(n) }

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
	return func(yield func(R, error) bool) {
		m := &mapping[T, R]{ctx: ctx, waitCtx: context.WithoutCancel(ctx), p: p, fn: fn}
		err := m.configure(opts)
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

// A mapping is one loop over a Map. Its goroutine alone uses it; a job writes
// the out of its own item, and no more.
type mapping[T, R any] struct {
	ctx context.Context
	// waitCtx is ctx, but that it does not end: the end of ctx ends the items, not
	// the wait for them.
	waitCtx context.Context
	p       *Pool
	fn      func(context.Context, T) (R, error)
	key     keyBy[T]
	opts    []JobOption

	window int
	items  []*mapItem[T, R] // in flight, the oldest first
}

// A mapItem is one item in flight.
type mapItem[T, R any] struct {
	m    *mapping[T, R]
	task *Task
	in   T
	out  output[R]
}

// run is the item's job.
func (it *mapItem[T, R]) run(ctx context.Context) error {
	return it.out.run(func() (R, error) { return it.m.fn(ctx, it.in) })
}

func (m *mapping[T, R]) configure(opts []MapOption) error {
	size := 0
	for _, opt := range opts {
		switch o := opt.(type) {
		case JobOption:
			m.opts = append(m.opts, o)
		case window:
			if size = int(o); size < 1 {
				return fmt.Errorf("pool: Window: %d is below 1", size)
			}
		case keyBy[T]:
			if m.key = o; o == nil {
				return errors.New("pool: KeyBy: the function is nil")
			}
		case nil:
			return errors.New("pool: an option of Map is nil")
		default:
			return fmt.Errorf("pool: Map cannot use the option %T for items of type %T", opt, *new(T))
		}
	}
	if size == 0 && m.p != nil {
		size = 2 * m.p.size()
	}
	m.window = size
	return nil
}

// size returns the number of workers that the pool was told to have.
func (p *Pool) size() int {
	p.lock()
	defer p.unlock()
	return p.core.Size()
}

// run starts an item and yields a result, in turn, so that neither keeps the
// other waiting.
func (m *mapping[T, R]) run(seq iter.Seq[T], yield func(R, error) bool) {
	next, stop := iter.Pull(seq)
	defer stop()
	defer m.cancelRest()
	more := true
	for {
		// Invariant: there is room for an item.
		if more && m.ctx.Err() == nil {
			var in T
			if in, more = next(); more {
				more = m.start(in)
			}
		}
		if more && m.ctx.Err() == nil && len(m.items) < m.window && !m.oldestDone() {
			continue // there is room, and nothing to yield
		}
		if len(m.items) == 0 {
			break
		}
		if out, err := m.takeOldest(); !yield(out, err) {
			return
		}
	}
	if more {
		var none R
		yield(none, context.Cause(m.ctx))
	}
}

// start submits an item. It returns false if there is no use in another one.
func (m *mapping[T, R]) start(in T) bool {
	it := &mapItem[T, R]{m: m, in: in}
	opts := m.opts
	if m.key != nil {
		opts = append(opts[:len(opts):len(opts)], Key(m.key(in))) // which may panic
	}
	it.task = m.p.SubmitContext(m.ctx, it.run, opts...) // which calls the function of WithSlotKey
	m.items = append(m.items, it)
	return !(it.task.State() == StateDone && errors.Is(it.task.err, ErrClosed))
}

func (m *mapping[T, R]) oldestDone() bool {
	return len(m.items) > 0 && m.items[0].task.State() == StateDone
}

// takeOldest waits for the oldest item and takes it out of the ring.
func (m *mapping[T, R]) takeOldest() (R, error) {
	it := m.items[0]
	m.items = slices.Delete(m.items, 0, 1) // a window is short, and needs no other memory
	err := it.task.Wait(m.waitCtx)
	return it.out.get(), err
}

// cancelRest ends what is in flight.
func (m *mapping[T, R]) cancelRest() {
	for _, it := range m.items {
		it.task.Cancel()
	}
	for len(m.items) > 0 {
		m.takeOldest()
	}
}
