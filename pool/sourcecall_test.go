package pool

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// A brittle source is a local one, one of whose methods ends in a bad way.
type brittle struct {
	inner *slot.Local
	bad   string // the method, and the one that it takes to get there
	also  string
	end   func()
	armed atomic.Bool
	calls atomic.Int64
}

func (b *brittle) call(method string) {
	if b.armed.Load() && (method == b.bad || method == b.also) {
		if method == b.bad {
			b.calls.Add(1)
		}
		b.end()
	}
}

func (b *brittle) Close(ctx context.Context) error { return b.inner.Close(ctx) }

func (b *brittle) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	b.call("Enqueue")
	t, err := b.inner.Enqueue(ctx, key)
	return &brittleTicket{t, b}, err
}

func (b *brittle) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	b.call("Try")
	s, ok, err := b.inner.Try(ctx, key)
	if !ok {
		return nil, false, err
	}
	return &brittleSlot{s, b}, true, nil
}

type brittleTicket struct {
	slot.Ticket
	b *brittle
}

func (t *brittleTicket) Slot() (slot.Slot, bool) {
	t.b.call("Slot")
	s, ok := t.Ticket.Slot()
	return &brittleSlot{s, t.b}, ok
}

func (t *brittleTicket) Wait(ctx context.Context) (slot.Slot, error) {
	t.b.call("Wait")
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return &brittleSlot{s, t.b}, nil
}

func (t *brittleTicket) Close() error {
	_ = t.Ticket.Close()
	t.b.call("Close")
	return nil
}

type brittleSlot struct {
	slot.Slot
	b *brittle
}

func (s *brittleSlot) Context() context.Context { s.b.call("Context"); return s.Slot.Context() }
func (s *brittleSlot) Info() slot.Info          { s.b.call("Info"); return s.Slot.Info() }
func (s *brittleSlot) Abandon()                 { s.b.call("Abandon") }

func (s *brittleSlot) Release() error {
	err := s.Slot.Release()
	s.b.call("Release")
	return err
}

// joinable is a brittle source that tells of its grants.
type joinable struct{ *brittle }

func (j joinable) Join(ctx context.Context, key string, c slot.Claimant) (slot.Place, error) {
	j.call("Join")
	t, err := j.inner.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	waits, leave := context.WithCancelCause(context.Background())
	go func() {
		if s, err := t.Wait(waits); err != nil {
			c.Refused(err)
		} else {
			c.Granted(&brittleSlot{s, j.brittle})
		}
	}()
	return &brittlePlace{j.brittle, leave}, nil
}

type brittlePlace struct {
	b     *brittle
	leave context.CancelCauseFunc
}

func (p *brittlePlace) Leave() {
	p.b.call("Leave")
	p.leave(slot.ErrClosed)
}

// Whatever method of a source panics or calls runtime.Goexit, each job has a
// result, and once it does so no more the pool is as good as new.
func TestASourceThatFailsToReturnLeavesThePoolItsWorkersAndClaims(t *testing.T) {
	for _, m := range []struct {
		bad, also string
		joins     bool
		opts      []Option
	}{
		{bad: "Enqueue"},
		{bad: "Try", opts: []Option{WithMaxClaims(1)}},
		{bad: "Slot"},
		{bad: "Wait"},
		{bad: "Close", also: "Slot"},
		{bad: "Close", also: "Wait"},
		{bad: "Join", joins: true},
		{bad: "Leave", joins: true},
		{bad: "Context"},
		{bad: "Context", joins: true},
		{bad: "Info"},
		{bad: "Info", joins: true},
		{bad: "Release"},
		{bad: "Release", opts: []Option{WithReuse(time.Second)}},
		{bad: "Abandon"},
	} {
		for how, end := range map[string]func(){"panics": func() { panic("boom") }, "calls Goexit": runtime.Goexit} {
			t.Run(m.also+m.bad+" "+how, func(t *testing.T) {
				if m.joins {
					tellsOnly(t)
				}
				synctest.Test(t, func(t *testing.T) {
					b := &brittle{inner: slot.NewLocalKeyed(1), bad: m.bad, also: m.also, end: end}
					var src slot.Source = b
					if m.joins {
						src = joinable{b}
					}
					p := newPool(t, 3, append([]Option{WithSlots(src), WithGrace(time.Second), WithReuse(0)}, m.opts...)...)
					b.armed.Store(true)
					useSlots(t, p)
					require.NotZero(t, b.calls.Load(), "the method was never called")
					b.armed.Store(false)
					for _, err := range useSlots(t, p) {
						require.NotErrorIs(t, err, ErrSourcePanic)
					}
					finish(t, p)
					require.NoError(t, b.Close(t.Context()))
				})
			})
		}
	}
}

// useSlots has jobs claim slots in each way there is, and returns their results.
func useSlots(t *testing.T, p *Pool) []error {
	t.Helper()
	var tasks []*Task
	for range 6 {
		for _, key := range []string{"a", "b"} {
			tasks = append(tasks, p.Submit(sleeps(10*time.Millisecond), Key(key)))
			synctest.Wait()
		}
	}
	deaf := p.Submit(func(context.Context) error { time.Sleep(5 * time.Second); return nil }, Key("deaf"))
	synctest.Wait()
	left := []*Task{deaf}
	for range 3 {
		left = append(left, p.Submit(nothing, Key("deaf")))
		synctest.Wait()
	}
	time.Sleep(time.Second)
	for _, task := range left {
		task.Cancel()
	}
	var results []error
	for _, task := range append(tasks, left...) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		results = append(results, task.Wait(ctx))
		cancel()
		require.Equal(t, StateDone, task.State(), "a task has no result")
	}
	return results
}
