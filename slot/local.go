package slot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

var (
	_ Source  = (*Local)(nil)
	_ Trier   = (*Local)(nil)
	_ Limiter = (*Local)(nil)
)

// errGivenBack ends the slots that are held when their source is closed.
var errGivenBack = fmt.Errorf("%w: %w", ErrLost, ErrClosed)

// Local is a source inside this process: it bounds the goroutines of one
// program and needs no engine. Slots are granted in the order of Enqueue, have
// no lease and are never lost; only Close takes them away.
type Local struct {
	limit   int
	keyed   bool             // each key has slots of its own
	invalid error            // why every claim is refused, or nil
	ctx     *linkctx.Context // every slot's ends with it

	// mu guards what follows, the lines and the state of every ticket. Nothing
	// blocks and no context is cancelled while it is held.
	mu     sync.Mutex
	lines  map[string]*line
	closed bool
}

// NewLocal returns a source of n slots in all, whatever the key. With n below 1
// it refuses every claim, and [Check] says so.
func NewLocal(n int) *Local {
	l := newLocal(n, false)
	l.lines[""] = newLine("", n)
	l.lines[""].users = 1 // the only line is never idle, so it is never recycled
	return l
}

// NewLocalKeyed returns a source of n slots for each key. A key that nobody
// holds or waits for costs nothing. With n below 1 it refuses every claim, and
// [Check] says so.
func NewLocalKeyed(n int) *Local { return newLocal(n, true) }

func newLocal(n int, keyed bool) *Local {
	l := &Local{limit: n, keyed: keyed, lines: make(map[string]*line)}
	if n < 1 {
		l.invalid = fmt.Errorf("slot: a local source of %d slots: the number must be at least 1", n)
	}
	l.ctx = linkctx.New()
	return l
}

func (l *Local) check() error { return l.invalid }

// Limit returns the number of slots of key.
func (l *Local) Limit(string) (int, bool) { return l.limit, l.invalid == nil }

// Enqueue takes a place in the line of key. It does not block.
func (l *Local) Enqueue(ctx context.Context, key string) (Ticket, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t := &localTicket{src: l, key: key, trace: TraceFrom(ctx)}
	if err := l.join(t); err != nil {
		return nil, err
	}
	if t.trace != nil {
		t.tell()
	}
	return t, nil
}

// tell tells the trace of a claim how it began. If that panics, nobody has the
// ticket.
func (t *localTicket) tell() {
	told := false
	defer func() {
		if !told {
			_ = t.Close()
		}
	}()
	if t.ready != nil {
		t.trace.queued(time.Now())
	} else {
		t.trace.granted(t.slot.info.GrantedAt)
	}
	told = true
}

// Try claims a slot of key if one is free and nobody waits for it.
func (l *Local) Try(ctx context.Context, key string) (Slot, bool, error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	s, err := l.tryNow(key)
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
	for _, line := range l.lines {
		for e := line.waiting.Front(); e != nil; e = line.waiting.Front() {
			l.leave(e.Value.(*localTicket))
		}
	}
	return nil
}

// join puts t in line, or gives it a slot at once.
func (l *Local) join(t *localTicket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return err
	}
	t.line = l.line(t.key)
	t.line.users++
	if t.line.takeFree() {
		t.state, t.slot = ticketGranted, l.newSlot(t.line, t.key, false)
		return nil
	}
	t.ready = make(chan struct{})
	t.place = t.line.waiting.PushBack(t)
	return nil
}

func (l *Local) tryNow(key string) (*localSlot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return nil, err
	}
	line := l.line(key)
	line.users++
	if !line.takeFree() {
		l.dropUser(line)
		return nil, nil
	}
	return l.newSlot(line, key, false), nil
}

// refusal returns why no claim can be made; the caller holds mu.
func (l *Local) refusal() error {
	if l.closed {
		return ErrClosed
	}
	return l.invalid
}

// line returns the line of key; the caller holds mu and makes itself a user.
func (l *Local) line(key string) *line {
	if !l.keyed {
		key = ""
	}
	ln := l.lines[key]
	if ln == nil {
		ln = newLine(key, l.limit)
		l.lines[key] = ln
	}
	return ln
}

// dropUser forgets a line that nobody uses any more; the caller holds mu.
func (l *Local) dropUser(ln *line) {
	if ln.users--; ln.users == 0 {
		delete(l.lines, ln.key)
	}
}

// newSlot returns a slot that was taken from ln; the caller holds mu.
func (l *Local) newSlot(ln *line, key string, queued bool) *localSlot {
	now := time.Now()
	s := &localSlot{src: l, line: ln}
	s.ctx.Join(l.ctx)
	s.info = Info{Key: key, GrantedAt: now, ConfirmedAt: now, Queued: queued, Strict: true}
	return s
}

// putBack gives a slot of ln to the first in line, or frees it.
func (l *Local) putBack(ln *line) {
	if t := l.passOn(ln); t != nil {
		defer close(t.ready) // also where the trace panics
		t.trace.granted(t.slot.info.GrantedAt)
	}
}

// passOn returns the ticket that the slot went to, or nil.
func (l *Local) passOn(ln *line) *localTicket {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropUser(ln)
	first := ln.waiting.Front()
	if first == nil {
		ln.free.Release(1)
		return nil
	}
	t := first.Value.(*localTicket)
	ln.waiting.Remove(first)
	t.state, t.slot = ticketGranted, l.newSlot(ln, t.key, true)
	return t
}

// leave takes a queued ticket out of its line; the caller holds mu.
func (l *Local) leave(t *localTicket) {
	t.line.waiting.Remove(t.place)
	t.state = ticketClosed
	l.dropUser(t.line)
	close(t.ready)
}

// A localSlot is one slot of a line. Its context decides how it ended: whoever
// ends that first, Release or Close.
type localSlot struct {
	src  *Local
	line *line
	info Info
	ctx  linkctx.Context
	once sync.Once
	err  error // what Release returns; written inside once
}

// tell tells the trace of a claim of its grant. If that panics, nobody has the
// slot.
func (s *localSlot) tell(trace *Trace) {
	told := false
	defer func() {
		if !told {
			_ = s.Release()
		}
	}()
	trace.granted(s.info.GrantedAt)
	told = true
}

func (s *localSlot) Context() context.Context { return &s.ctx }

func (s *localSlot) Info() Info { return s.info }

func (s *localSlot) Release() error {
	s.once.Do(func() {
		s.ctx.Cancel(ErrReleased) // before anyone else can be granted the slot
		if cause := context.Cause(&s.ctx); !errors.Is(cause, ErrReleased) {
			s.err = cause
		}
		s.src.putBack(s.line)
	})
	return s.err
}
