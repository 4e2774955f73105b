package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// reasons notes why each job waited, by the job's name.
type reasons struct {
	mu  sync.Mutex // guards why
	why map[string][]WaitReason
}

func (r *reasons) option() Option {
	r.why = map[string][]WaitReason{}
	return WithHooks(Hooks{Start: func(ctx context.Context, e StartEvent) context.Context {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.why[e.Name] = append(r.why[e.Name], e.Waited)
		return ctx
	}})
}

// occupy takes a slot for a while, as another machine would.
func occupy(t *testing.T, src slot.Source, key string, d time.Duration) {
	other, ok, err := slot.Try(t.Context(), src, key)
	require.NoError(t, err)
	require.True(t, ok)
	time.AfterFunc(d, func() { _ = other.Release() })
}

func TestAJobIsToldWhatItWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers int
		slots   int // of each key
		opts    []Option
		do      func(t *testing.T, p *Pool, src *fakeSource) // submits the job "it"
		want    WaitReason
	}{
		{"nothing", 1, 1, nil, func(_ *testing.T, p *Pool, _ *fakeSource) {
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitNone},
		{"a worker", 1, 1, nil, func(_ *testing.T, p *Pool, _ *fakeSource) {
			p.Submit(sleeps(time.Second), Key("a"))
			p.Submit(sleeps(0), Name("it"), Key("b"))
		}, WaitForWorker},
		{"a worker, after its slot was there", 1, 1, nil, func(t *testing.T, p *Pool, src *fakeSource) {
			occupy(t, src, "b", 100*time.Millisecond)
			p.Submit(sleeps(0), Name("it"), Key("b"))
			synctest.Wait()
			p.Submit(sleeps(time.Second), Key("a"))
		}, WaitForWorker},
		{"a slot that others have", 1, 1, nil, func(t *testing.T, p *Pool, src *fakeSource) {
			occupy(t, src, "a", time.Second)
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitForSlot},
		{"a slot that the pool has itself", 2, 1, nil, func(_ *testing.T, p *Pool, _ *fakeSource) {
			p.Submit(sleeps(time.Second), Key("a"))
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitForSlot},
		{"the only slot, which the job before has", 1, 1, []Option{WithReuse(time.Minute)}, func(_ *testing.T, p *Pool, src *fakeSource) {
			src.limit = 1
			p.Submit(sleeps(time.Second), Key("a"))
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitForSlot},
		{"the only worker, though slots are free", 1, 2, []Option{WithReuse(time.Minute)}, func(_ *testing.T, p *Pool, _ *fakeSource) {
			p.Submit(sleeps(time.Second), Key("a"))
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitForWorker},
		{"a place in line", 1, 1, []Option{WithMaxClaims(1)}, func(t *testing.T, p *Pool, src *fakeSource) {
			occupy(t, src, "a", 2*time.Second)
			occupy(t, src, "b", 2*time.Second)
			p.Submit(sleeps(0), Key("a"))
			synctest.Wait()
			p.Submit(sleeps(0), Name("it"), Key("b"))
		}, WaitForPlace},
		{"the engine", 1, 1, nil, func(_ *testing.T, p *Pool, src *fakeSource) {
			src.setFail(func(string) error { return errors.New("the engine is down") })
			time.AfterFunc(time.Second, func() { src.setFail(nil) })
			p.Submit(sleeps(0), Name("it"), Key("a"))
		}, WaitForEngine},
		{"its backoff, which is no wait", 1, 1, nil, func(_ *testing.T, p *Pool, _ *fakeSource) {
			p.Submit(sleeps(0), Name("it"), Key("a"), After(time.Minute))
		}, WaitNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reasons
				src := newFake(c.slots)
				p := newPool(t, c.workers, append([]Option{WithSlots(src), r.option()}, c.opts...)...)
				c.do(t, p, src)
				time.Sleep(2 * time.Minute)
				finish(t, p)
				require.Equal(t, []WaitReason{c.want}, r.why["it"])
			})
		})
	}
}

func TestEachAttemptIsToldWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reasons
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), r.option())
		occupy(t, src, "a", time.Second)
		tries := 0
		task := p.Submit(func(context.Context) error {
			if tries++; tries == 1 {
				time.AfterFunc(500*time.Millisecond, func() { p.Submit(sleeps(time.Minute), Key("b")) })
				return RetryAfter(time.Second, errTest)
			}
			return nil
		}, Name("it"), Key("a"))
		require.NoError(t, task.Wait(t.Context()))
		finish(t, p)
		require.Equal(t, []WaitReason{WaitForSlot, WaitForWorker}, r.why["it"])
	})
}

func TestAJobWithoutSlotsWaitsForAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reasons
		p := newPool(t, 1, r.option())
		p.Submit(sleeps(time.Second), Name("first"))
		p.Submit(sleeps(0), Name("it"))
		finish(t, p)
		require.Equal(t, map[string][]WaitReason{"first": {WaitNone}, "it": {WaitForWorker}}, r.why)
	})
}

// The slot that it runs under was waited for by the jobs that it served before.
func TestANestedJobWaitsForNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reasons
		src := newFake(1)
		src.limit = 1
		p := newPool(t, 1, WithSlots(src), WithReuse(time.Minute), r.option())
		p.Submit(sleeps(0), Key("a"))
		p.Submit(sleeps(0), Key("a"))
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			child := p.SubmitContext(ctx, sleeps(0), Name("it"), Key("a"))
			time.Sleep(time.Second)
			return child.Wait(ctx)
		}, Key("a")).Wait(t.Context()))
		finish(t, p)
		require.Equal(t, []WaitReason{WaitForWorker}, r.why["it"])
	})
}
