package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/cmd/berth/internal/process"
	"github.com/berth-go/berth/slot"
)

// A fakeSlot has a lease that the test sets.
type fakeSlot struct {
	ctx      context.Context
	end      context.CancelCauseFunc
	mu       sync.Mutex
	until    time.Time
	released bool
}

func newSlot(lease time.Duration) *fakeSlot {
	s := &fakeSlot{until: time.Now().Add(lease)}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	return s
}

func (s *fakeSlot) Context() context.Context { return s.ctx }

func (s *fakeSlot) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	return nil
}

func (s *fakeSlot) Info() slot.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slot.Info{Key: "k", Fence: 7, ExpiresAt: s.until}
}

func (s *fakeSlot) renew(lease time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(lease)
}

func (s *fakeSlot) isReleased() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released
}

// A fakeSource answers each Enqueue with the next of its answers.
type fakeSource struct {
	slot.Source
	answers []any // a slot, a ticket or an error
	asked   []time.Duration
	begin   time.Time
}

func (s *fakeSource) Enqueue(context.Context, string) (slot.Ticket, error) {
	s.asked = append(s.asked, time.Since(s.begin))
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	switch a := a.(type) {
	case *fakeSlot:
		return &fakeTicket{granted: a}, nil
	case *fakeTicket:
		return a, nil
	case error:
		return nil, a
	}
	panic("no answer")
}

// A fakeTicket waits for a slot that may never come, or fails after a while.
type fakeTicket struct {
	granted  slot.Slot
	granting chan slot.Slot
	fails    time.Duration
	err      error
}

func (t *fakeTicket) Slot() (slot.Slot, bool) { return t.granted, t.granted != nil }
func (t *fakeTicket) Close() error            { return nil }
func (t *fakeTicket) Ahead() (int, bool)      { return 3, true }

func (t *fakeTicket) Wait(ctx context.Context) (slot.Slot, error) {
	var fail <-chan time.Time
	if t.err != nil {
		fail = time.After(t.fails)
	}
	select {
	case s := <-t.granting:
		return s, nil
	case <-fail:
		return nil, t.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A fakeTree is a command that does as it is told, or not.
type fakeTree struct {
	mu      sync.Mutex
	begin   time.Time
	deaf    bool // to SIGTERM
	hard    int  // how often SIGKILL is in vain
	alive   int  // processes
	exited  bool
	events  []process.Event
	changed chan struct{}
	log     []string
}

func newTree(processes int) *fakeTree {
	return &fakeTree{begin: time.Now(), alive: processes, changed: make(chan struct{}, 1)}
}

func (f *fakeTree) did(what string) {
	f.log = append(f.log, fmt.Sprintf("%v %s", time.Since(f.begin), what))
}

// exit ends the command itself. Caller holds mu.
func (f *fakeTree) exit(e process.Event) {
	if f.exited {
		return
	}
	f.exited = true
	f.alive--
	f.events = append(f.events, e)
	f.changed <- struct{}{}
}

func (f *fakeTree) ends(code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exit(process.Event{Change: process.Exited, Code: code})
}

func (f *fakeTree) stops() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, process.Event{Change: process.Stopped})
	f.changed <- struct{}{}
}

func (f *fakeTree) Pid() int                 { return 42 }
func (f *fakeTree) Close()                   {}
func (f *fakeTree) Changed() <-chan struct{} { return f.changed }

func (f *fakeTree) Events() []process.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.events
	f.events = nil
	return e
}

func (f *fakeTree) Signal(s syscall.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did("signal " + s.String())
}

func (f *fakeTree) Ask() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did("ask")
	if !f.deaf {
		f.exit(process.Event{Change: process.Exited, Signal: syscall.SIGTERM})
		f.alive = 0
	}
}

func (f *fakeTree) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did("kill")
	if f.hard--; f.hard < 0 {
		f.exit(process.Event{Change: process.Exited, Signal: syscall.SIGKILL})
		f.alive = 0
	}
}

func (f *fakeTree) Gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.exited && f.alive == 0
}

func (f *fakeTree) Left() []int { return []int{42} }

func (f *fakeTree) history() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log
}

// A world is a keeper with everything around it.
type world struct {
	t      *testing.T
	source *fakeSource
	tree   *fakeTree
	job    keeper.Job
	orders chan keeper.Order
	env    []string
	failed error // of Start
	hung   atomic.Bool

	mu   sync.Mutex
	said []keeper.Event
	done chan struct{}
	how  keeper.Outcome
}

func newWorld(t *testing.T, processes int, answers ...any) *world {
	return &world{
		t: t, source: &fakeSource{answers: answers, begin: time.Now()}, tree: newTree(processes),
		job: keeper.Job{Key: "k", Command: []string{"true"}}, orders: make(chan keeper.Order), done: make(chan struct{}),
	}
}

func (w *world) start() {
	k := &keeper.Keeper{
		Job: w.job, Source: w.source, Orders: w.orders,
		Hung:  func() bool { return w.hung.Load() },
		Start: func(_ string, env []string) (keeper.Tree, error) { w.env = env; return w.tree, w.failed },
		Say: func(e keeper.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, e)
		},
	}
	go func() {
		defer close(w.done)
		w.how = k.Run(context.Background())
	}()
}

// outcome waits for the end, or says that there is none for an hour.
func (w *world) outcome() keeper.Outcome {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(time.Hour):
		require.Fail(w.t, "the job does not end")
	}
	return w.how
}

// kinds returns what was said, but for the guards.
func (w *world) kinds() (kinds []keeper.EventKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.said {
		if e.Kind != keeper.Held {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

var errOutage = fmt.Errorf("the server is away: %w", slot.ErrUnavailable)
var errRefusal = errors.New("the key is in use with another limit")
