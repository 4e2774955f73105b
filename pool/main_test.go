package pool

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/slot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("it did not work")

// newPool returns a pool that the test shuts down.
func newPool(t *testing.T, workers int, opts ...Option) *Pool {
	t.Helper()
	p, err := New(workers, opts...)
	require.NoError(t, err)
	if os.Getenv(waitVariable) != "" {
		p.joiner = nil
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Shutdown(ctx)
	})
	return p
}

// finish shuts a pool down and requires that its books balance.
func finish(t *testing.T, p *Pool) {
	t.Helper()
	require.NoError(t, p.Shutdown(t.Context()))
	requireBalance(t, p)
}

func requireBalance(t *testing.T, p *Pool) {
	t.Helper()
	s := p.Stats()
	require.Equal(t, s.Submitted, s.Finished, "every accepted job has one result: %+v", s)
	require.Zero(t, s.Queued+s.Waiting+s.Running, "%+v", s)
	require.Zero(t, s.Held, "slots that were not given back")
	require.Zero(t, s.InLine, "claims that were left in line")
	require.Zero(t, s.Workers)
	p.lock()
	defer p.unlock()
	require.True(t, p.core.Over())
	require.Zero(t, p.core.Lanes(), "lanes are recycled")
}

func sleeps(d time.Duration) Job {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func nothing(context.Context) error { return nil }

// A fakeSource has slots that a test can lose, and fails when told to.
type fakeSource struct {
	inner *slot.Local
	limit int // that it tells of; 0: none

	mu        sync.Mutex // guards what follows
	fail      func(key string) error
	slots     map[*fakeSlot]struct{}
	claims    []time.Time
	abandoned int
	joined    int
	most, now int
}

func newFake(perKey int) *fakeSource {
	return &fakeSource{inner: slot.NewLocalKeyed(perKey), slots: map[*fakeSlot]struct{}{}}
}

func (f *fakeSource) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	f.mu.Lock()
	f.claims = append(f.claims, time.Now())
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(key); err != nil {
			return nil, err
		}
	}
	t, err := f.inner.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return &fakeTicket{Ticket: t, f: f}, nil
}

func (f *fakeSource) Limit(string) (int, bool) { return f.limit, f.limit > 0 }

func (f *fakeSource) Close(ctx context.Context) error { return f.inner.Close(ctx) }

func (f *fakeSource) setFail(fail func(key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fakeSource) claimed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.claims)
}

// mostHeld returns how many slots were held at once at most.
func (f *fakeSource) mostHeld() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// abandonments returns how many slots were left to their leases.
func (f *fakeSource) abandonments() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.abandoned
}

// lose ends every slot that is held.
func (f *fakeSource) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.slots {
		s.cancel(slot.ErrLost)
	}
}

func (f *fakeSource) grant(inner slot.Slot) *fakeSlot {
	s := &fakeSlot{Slot: inner, f: f}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[s] = struct{}{}
	f.now++
	f.most = max(f.most, f.now)
	return s
}

type fakeTicket struct {
	slot.Ticket
	f *fakeSource
}

func (t *fakeTicket) Slot() (slot.Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	return t.f.grant(s), true
}

func (t *fakeTicket) Wait(ctx context.Context) (slot.Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return t.f.grant(s), nil
}

type fakeSlot struct {
	slot.Slot
	f      *fakeSource
	ctx    context.Context
	cancel context.CancelCauseFunc
	once   sync.Once
}

func (s *fakeSlot) Context() context.Context { return s.ctx }

func (s *fakeSlot) Abandon() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.abandoned++
}

func (s *fakeSlot) Release() error {
	s.once.Do(func() {
		s.cancel(slot.ErrReleased)
		s.f.mu.Lock()
		delete(s.f.slots, s)
		s.f.now--
		s.f.mu.Unlock()
		_ = s.Slot.Release()
	})
	if cause := context.Cause(s.ctx); errors.Is(cause, slot.ErrLost) {
		return cause
	}
	return nil
}
