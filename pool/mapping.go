package pool

import (
	"context"
	"errors"
	"iter"
	"slices"
)

// A mapping is one loop over a Map. Its goroutine alone uses it; a job writes
// the out of its own item, and no more.
type mapping[T, R any] struct {
	ctx context.Context
	// waitCtx is ctx, but that it does not end: the end of ctx ends the items, not
	// the wait for them.
	waitCtx   context.Context
	p         *Pool
	fn        func(context.Context, T) (R, error)
	key       keyBy[T]
	opts      []JobOption
	window    int
	unordered bool

	items []*mapItem[T, R] // in flight, the oldest first
	// done has the items that are done and not taken yet, if the mapping is
	// unordered. It has room for a window, so nobody waits to send.
	done chan *mapItem[T, R]
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

// isDone is told when the task is done, whoever has ended it.
func (it *mapItem[T, R]) isDone(*Task) { it.m.done <- it }

// run starts an item and yields a result, in turn, so that neither keeps the
// other waiting.
func (m *mapping[T, R]) run(seq iter.Seq2[T, error], yield func(R, error) bool) {
	if m.unordered {
		m.done = make(chan *mapItem[T, R], m.window)
	}
	next, stop := iter.Pull2(seq)
	defer stop()
	defer m.cancelRest()
	more := true
	for {
		// Invariant: there is room for an item.
		if more && m.ctx.Err() == nil {
			var in T
			var err error
			if in, err, more = next(); more {
				more = m.start(in, err)
			}
		}
		if more && m.ctx.Err() == nil && len(m.items) < m.window && !m.hasResult() {
			continue // there is room, and nothing to yield
		}
		if len(m.items) == 0 {
			break
		}
		if out, err := m.take().result(); !yield(out, err) {
			return
		}
	}
	if more {
		var none R
		yield(none, context.Cause(m.ctx))
	}
}

// start submits an item, or notes that the sequence had an error instead. It returns
// false if there is no use in another one.
func (m *mapping[T, R]) start(in T, failed error) bool {
	it := &mapItem[T, R]{m: m, in: in}
	if failed != nil {
		it.task = failedTask(failed)
		m.add(it)
		if m.unordered {
			m.done <- it
		}
		return true
	}
	opts := m.opts
	if m.key != nil {
		opts = append(opts[:len(opts):len(opts)], Key(m.key(in))) // which may panic
	}
	var then func(*Task)
	if m.unordered {
		then = it.isDone
	}
	it.task = m.p.submit(m.ctx, it.run, opts, then) // which calls the function of WithSlotKey
	m.add(it)
	return !(it.task.State() == StateDone && errors.Is(it.task.err, ErrClosed))
}

func (m *mapping[T, R]) add(it *mapItem[T, R]) { m.items = append(m.items, it) }

// hasResult reports whether take would not block.
func (m *mapping[T, R]) hasResult() bool {
	if m.unordered {
		return len(m.done) > 0
	}
	return len(m.items) > 0 && m.items[0].task.isDone()
}

// take waits for the next item whose turn it is, and takes it out of those in flight.
func (m *mapping[T, R]) take() *mapItem[T, R] {
	it := m.items[0]
	if m.unordered {
		it = m.awaitAny()
	} else {
		_ = it.task.Wait(m.waitCtx) // result has the error
	}
	i := slices.Index(m.items, it)
	m.items = slices.Delete(m.items, i, i+1) // a window is short, and needs no other memory
	return it
}

// awaitAny waits for an item that is done. A job that maps over its own pool runs what
// is queued itself, and lends its worker while it waits for what others run: see
// Task.Wait.
func (m *mapping[T, R]) awaitAny() *mapItem[T, R] {
	if isInside(m.waitCtx, m.p) {
		for len(m.done) == 0 && m.runQueued() {
		}
		m.p.lendWorker()
		defer m.p.takeBackWorker()
	}
	return <-m.done
}

// runQueued runs an item that is queued on this goroutine, unless a worker is faster.
// It returns false if there is none.
func (m *mapping[T, R]) runQueued() bool {
	for _, it := range m.items {
		if it.task.State() == StateQueued {
			_ = it.task.Wait(m.waitCtx)
			return true
		}
	}
	return false
}

// result returns what the loop is to be given of an item that is done.
func (it *mapItem[T, R]) result() (R, error) { return it.out.get(), it.task.Err() }

// cancelRest ends what is in flight.
func (m *mapping[T, R]) cancelRest() {
	for _, it := range m.items {
		it.task.Cancel()
	}
	for _, it := range m.items {
		_ = it.task.Wait(m.waitCtx)
	}
}
