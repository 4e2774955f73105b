package linkctx

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errEnd = errors.New("the slot is gone")

type valueKey struct{}

// An end is a context and the call that ends it.
type end struct {
	ctx context.Context
	end func(error)
}

func ours() end {
	c := New()
	return end{c, c.Cancel}
}

// foreign is a context of a source that does not use this package.
func foreign() end {
	ctx, cancel := context.WithCancelCause(context.Background())
	return end{ctx, cancel}
}

// What is made of one or two ends; the last one is ended.
var shapes = []struct {
	name string
	ends []func() end
	make func(ends []end) *Context
}{
	{"one", []func() end{ours}, func(e []end) *Context { return Join(e[0].ctx) }},
	{"two", []func() end{ours, ours}, func(e []end) *Context { return Join(e[0].ctx, e[1].ctx) }},
	{"the same twice", []func() end{ours}, func(e []end) *Context { return Join(e[0].ctx, e[0].ctx) }},
	{"nested", []func() end{ours, ours}, func(e []end) *Context { return Join(Join(e[0].ctx), Join(Join(e[1].ctx))) }},
	{"one foreign", []func() end{foreign}, func(e []end) *Context { return Join(e[0].ctx) }},
	{"one foreign beside ours", []func() end{ours, foreign}, func(e []end) *Context { return Join(e[0].ctx, e[1].ctx) }},
	{"ours beside a foreign one", []func() end{foreign, ours}, func(e []end) *Context { return Join(e[0].ctx, e[1].ctx) }},
	{"a foreign one, nested", []func() end{ours, foreign}, func(e []end) *Context { return Join(Join(e[0].ctx), Join(Join(e[1].ctx))) }},
}

func TestTheCallThatEndsAContextEndsAllThatIsMadeOfIt(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			for range 200 {
				ends := make([]end, len(shape.ends))
				for i, one := range shape.ends {
					ends[i] = one()
				}
				slot := shape.make(ends)
				ctx, cancel := context.WithCancel(t.Context())
				job := Under(slot, ctx)
				derived, stop := context.WithTimeout(job, time.Hour)
				done := []<-chan struct{}{slot.Done(), job.Done(), derived.Done()}
				ends[len(ends)-1].end(errEnd)
				for i, ch := range done {
					require.True(t, isClosed(ch), "channel %d", i)
				}
				require.ErrorIs(t, derived.Err(), context.Canceled)
				for _, c := range []context.Context{slot, job, derived} {
					require.Equal(t, errEnd, context.Cause(c))
				}
				job.Cancel(nil)
				slot.Cancel(nil)
				for _, e := range ends {
					e.end(nil)
				}
				stop()
				cancel()
			}
		})
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Whoever comes second may be the one that lets somebody else have the slot.
func TestEveryCallThatEndsAContextWaitsUntilAllIsTold(t *testing.T) {
	for range 500 {
		a, b := New(), New()
		whole := Join(a, b)
		ctx := context.Context(whole)
		for range 20 {
			ctx = Join(ctx)
		}
		derived, stop := context.WithCancel(ctx)
		done := derived.Done()
		var ends sync.WaitGroup
		for _, part := range []*Context{a, b, a} {
			ends.Go(func() {
				part.Cancel(errEnd)
				if !isClosed(done) {
					t.Error("a call returned before what was derived had ended")
				}
			})
		}
		ends.Wait()
		stop()
	}
}

func TestWhoAsksASecondForeignContextIsToldAtOnceAndWhoWaitsAMomentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := foreign(), foreign()
		whole := Join(a.ctx, b.ctx)
		derived, stop := context.WithCancel(whole)
		defer stop()
		b.end(errEnd)
		require.ErrorIs(t, whole.Err(), context.Canceled)
		require.Equal(t, errEnd, context.Cause(whole))
		<-derived.Done()
		a.end(nil)

		c, d := foreign(), foreign()
		waited := Join(c.ctx, d.ctx).Done()
		d.end(errEnd)
		synctest.Wait()
		require.True(t, isClosed(waited))
		c.end(nil)
	})
}

func TestAJobsContextHasTheValuesAndTheDeadlineOfItsSubmitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(context.WithValue(t.Context(), valueKey{}, "v"), time.Second, errEnd)
		defer cancel()
		slot := New()
		job := Under(slot, ctx)
		require.Equal(t, "v", job.Value(valueKey{}))
		at, ok := job.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Second, time.Until(at))
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, job.Err(), context.DeadlineExceeded)
		require.Equal(t, errEnd, context.Cause(job))
		require.Equal(t, "v", context.WithoutCancel(job).Value(valueKey{}))
		slot.Cancel(nil)

		_, none := New().Deadline()
		require.False(t, none)
		leased, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		at, ok = Under(leased, t.Context()).Deadline()
		require.True(t, ok, "the slot's, where the submitter has none")
		require.Equal(t, time.Minute, time.Until(at))
	})
}

func TestAContextMadeOfAnEndedOneHasEnded(t *testing.T) {
	for _, e := range []end{ours(), foreign()} {
		e.end(errEnd)
		live := New()
		for _, c := range []*Context{Join(e.ctx), Join(live, e.ctx), Join(foreign().ctx, e.ctx), Under(e.ctx, live), Under(live, e.ctx)} {
			require.Error(t, c.Err())
			require.Equal(t, errEnd, context.Cause(c))
		}
		require.NoError(t, live.Err())
	}
}

func TestWhatHasEndedIsForgottenByWhatItFollowed(t *testing.T) {
	root := New()
	var made []*Context
	for range 5 {
		made = append(made, Join(root), Under(root, root))
	}
	require.NotNil(t, root.joined)
	for _, i := range []int{4, 0, 9, 1, 8, 2, 7, 3, 6, 5} {
		made[i].Cancel(nil)
	}
	require.Nil(t, root.joined)
	require.NoError(t, root.Err())
}

func TestTheFirstCauseCounts(t *testing.T) {
	c := New()
	child := Join(c)
	child.Cancel(errEnd)
	c.Cancel(context.DeadlineExceeded)
	require.Equal(t, errEnd, context.Cause(child))
	require.Equal(t, context.DeadlineExceeded, context.Cause(c))
}

func BenchmarkAJobThatAsksForDone(b *testing.B) {
	slot := New()
	defer slot.Cancel(nil)
	for _, submitter := range []struct {
		name string
		ctx  context.Context
	}{{"background", context.Background()}, {"cancellable", b.Context()}} {
		b.Run(submitter.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				job := Under(slot, submitter.ctx)
				_ = job.Done()
				job.Cancel(nil)
			}
		})
	}
}
