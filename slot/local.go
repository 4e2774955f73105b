package slot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/linkctx"
)

var (
	_ Source    = (*Local)(nil)
	_ Trier     = (*Local)(nil)
	_ Limiter   = (*Local)(nil)
	_ Inspector = (*Local)(nil)

	_ Controller = (*Local)(nil)
	_ Pacer      = (*Local)(nil)
)

// errGivenBack ends the slots that are held when their source is closed.
var errGivenBack = fmt.Errorf("%w: %w", ErrLost, ErrClosed)

// Local is a source inside this process: it bounds the goroutines of one
// program and needs no engine. Slots are granted in the order of Enqueue, have
// no lease and are never lost; only Close takes them away.
type Local struct {
	limits  Limits
	start   time.Time
	invalid error            // why every claim is refused, or nil
	ctx     *linkctx.Context // every slot's ends with it

	// mu guards what follows, the lines and the state of every ticket. Nothing
	// blocks and no context is cancelled while it is held.
	mu     sync.Mutex
	lines  map[string]*line
	paused map[string]*localPause // by the name of the line
	clocks localClocks            // of claims with a pace
	grants uint64                 // so far: the ID of the last one
	closed bool
}

// NewLocal returns a source of n slots in all, whatever the key. With n below 1
// it refuses every claim, and [Check] says so.
func NewLocal(n int) *Local {
	l := newLocal(Limits{kind: limitFixed, n: n}, checkLocal(n))
	l.lines[""] = newLine("", n)
	l.lines[""].users = 1 // the only line is never idle, so it is never recycled
	return l
}

// NewLocalKeyed returns a source of n slots for each key, also the empty one. A
// key that nobody holds or waits for costs nothing. With n below 1 it refuses every
// claim, and [Check] says so.
func NewLocalKeyed(n int) *Local {
	return newLocal(Limits{kind: limitEach, n: n}, checkLocal(n))
}

// NewLocalLimits returns a source with the limits that an engine is given: with
// [LimitBy] each claim may bring another one, and keeps it. Limits that cannot work
// refuse every claim, and [Check] says so.
func NewLocalLimits(limits Limits) *Local {
	err := limits.Check()
	if err != nil {
		err = within("a local source", err)
	}
	return newLocal(limits, err)
}

func newLocal(limits Limits, invalid error) *Local {
	return &Local{limits: limits, start: time.Now(), invalid: invalid, lines: make(map[string]*line), ctx: linkctx.New()}
}

func checkLocal(n int) error {
	if n < 1 {
		return fmt.Errorf("slot: a local source of %d slots: the number must be at least 1", n)
	}
	return nil
}

func (l *Local) check() error { return l.invalid }

// Limit returns the number of slots of key.
func (l *Local) Limit(key string) (int, bool) {
	_, n, err := l.of(key)
	return n, err == nil
}

// of returns the name of the semaphore that key means, and its limit.
func (l *Local) of(key string) (name string, limit int, err error) {
	if l.invalid != nil {
		return "", 0, l.invalid
	}
	if name, limit, err = l.limits.Of(key); err != nil {
		err = within(fmt.Sprintf("key %q", key), err)
	}
	return name, limit, err
}

// Enqueue takes a place in the line of key. It does not block.
func (l *Local) Enqueue(ctx context.Context, key string) (Ticket, error) {
	return l.enqueue(ctx, key, gcra.Pace{})
}

func (l *Local) enqueue(ctx context.Context, key string, pace gcra.Pace) (Ticket, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	name, limit, err := l.of(key)
	if err != nil {
		return nil, err
	}
	t := &localTicket{src: l, key: key, limit: limit, pace: pace, trace: TraceFrom(ctx)}
	if err := l.join(t, name); err != nil {
		return nil, err
	}
	if t.trace != nil {
		t.tell()
	}
	return t, nil
}

// Try claims a slot of key if one is free and nobody waits for it.
func (l *Local) Try(ctx context.Context, key string) (Slot, bool, error) {
	return l.try(ctx, key, gcra.Pace{})
}

func (l *Local) try(ctx context.Context, key string, pace gcra.Pace) (Slot, bool, error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	name, limit, err := l.of(key)
	if err != nil {
		return nil, false, err
	}
	s, err := l.tryNow(key, name, limit, pace)
	if s == nil {
		return nil, false, err
	}
	if trace := TraceFrom(ctx); trace != nil {
		s.tell(trace)
	}
	return s, true, nil
}

// Close ends the contexts of the slots that are held, with a cause that
// matches ErrLost and ErrClosed, and every Wait, with ErrClosed. It does not
// block.
func (l *Local) Close(context.Context) error {
	l.ctx.Cancel(errGivenBack)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, p := range l.paused {
		p.timer.Stop()
	}
	l.paused = nil
	l.clocks.stop()
	for _, ln := range l.lines {
		for t := ln.first(); t != nil; t = ln.first() {
			l.leave(t)
		}
	}
	return nil
}

// join puts t in line, or gives it a slot at once.
func (l *Local) join(t *localTicket, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	ln := l.line(name, t.limit)
	ln.users++
	t.line = ln
	if l.free(ln, t.limit, t.pace) {
		t.state, t.slot = ticketGranted, l.newSlot(ln, t.key, t.limit, false)
		return nil
	}
	t.ready = make(chan struct{})
	t.since, t.ahead = time.Since(l.start), ln.waiting.Len()
	t.place = ln.waiting.PushBack(t)
	if t == ln.first() {
		l.wakeFor(t)
	}
	return nil
}

func (l *Local) tryNow(key, name string, limit int, pace gcra.Pace) (*localSlot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	ln := l.line(name, limit)
	ln.users++
	if !l.free(ln, limit, pace) {
		l.dropUser(ln)
		return nil, nil
	}
	return l.newSlot(ln, key, limit, false), nil
}

// free takes a slot of ln for a new claim, if there is one for it. It passes
// nobody: who waits may have a smaller limit. The caller holds mu.
func (l *Local) free(ln *line, limit int, pace gcra.Pace) bool {
	if ln.waiting.Len() > 0 || l.paused[ln.name] != nil || !l.ready(ln.name, pace) || !ln.takeFree(limit) {
		return false
	}
	l.useClock(ln.name, pace)
	return true
}

// line returns the line of that name; the caller holds mu and makes itself a user.
func (l *Local) line(name string, limit int) *line {
	ln := l.lines[name]
	if ln == nil {
		ln = newLine(name, limit)
		l.lines[name] = ln
	}
	return ln
}

// dropUser forgets a line that nobody uses any more; the caller holds mu.
func (l *Local) dropUser(ln *line) {
	if ln.users--; ln.users == 0 {
		delete(l.lines, ln.name)
	}
}

// newSlot returns a slot that was taken from ln; the caller holds mu.
func (l *Local) newSlot(ln *line, key string, limit int, queued bool) *localSlot {
	l.grants++
	s := &localSlot{src: l, line: ln, key: key, limit: limit, queued: queued, at: time.Now(), id: l.grants}
	s.ctx.Join(l.ctx)
	ln.hold(s)
	return s
}

// putBack frees a slot for those who wait.
func (l *Local) putBack(s *localSlot) {
	l.mu.Lock()
	s.line.putBack(s)
	l.dropUser(s.line)
	l.mu.Unlock()
	l.serve(s.line)
}

// serve grants slots of ln to those who wait and may have one.
func (l *Local) serve(ln *line) {
	t, more := l.passOn(ln)
	if t == nil {
		return
	}
	if more {
		defer l.serve(ln)
	}
	defer close(t.ready) // also where the trace panics
	t.trace.granted(t.slot.at)
}

// passOn grants a slot to the first in line, if it may have one, and reports
// whether the next one may, too.
func (l *Local) passOn(ln *line) (t *localTicket, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t = ln.first()
	if t == nil || l.paused[ln.name] != nil || l.wakeFor(t) || !ln.takeFree(t.limit) {
		return nil, false
	}
	l.useClock(ln.name, t.pace)
	ln.waiting.Remove(t.place)
	t.state, t.slot = ticketGranted, l.newSlot(ln, t.key, t.limit, true)
	next := ln.first()
	return t, next != nil && ln.holders.len < ln.room(next.limit)
}

// leave takes a queued ticket out of its line; the caller holds mu.
func (l *Local) leave(t *localTicket) {
	t.line.waiting.Remove(t.place)
	t.state = ticketClosed
	l.dropUser(t.line)
	close(t.ready)
}
