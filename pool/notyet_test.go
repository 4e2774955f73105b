package pool

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

var errWhy = errors.New("the door is shut")

func TestAJobThatIsPutOffHasMadeNoAttempt(t *testing.T) {
	answers := []error{
		NotYet(time.Second, errWhy), RetryAfter(time.Second, nil), // no attempt yet
		RetryAfter(time.Second, errTest), NotYet(time.Second, nil), RetryAfter(time.Second, errTest), nil,
	}
	attempts := []int{1, 1, 1, 2, 2, 3}
	elapsed := []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second} // since the first attempt that was one
	for way, submit := range ways {
		for kind, opts := range map[string][]Option{
			"plain":      nil,
			"slots":      {WithSlots(slot.NewLocalKeyed(1))},
			"middleware": {Use(through)},
			"hooks":      {WithHooks(Hooks{Submitted: func(context.Context, JobEvent) {}})},
		} {
			t.Run(way+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, 1, opts...)
					run := 0
					require.NoError(t, submit(p, func(ctx context.Context) error {
						i, ok := FromContext(ctx)
						require.True(t, ok)
						require.Equal(t, attempts[run], i.Attempt, "run %d", run)
						if !p.bare {
							require.Equal(t, elapsed[run], i.Elapsed(), "run %d", run)
						}
						run++
						return answers[run-1]
					}, []JobOption{Key("a")}))
					require.Equal(t, len(answers), run)
					s := p.Stats()
					require.EqualValues(t, 2, s.Retries)
					require.EqualValues(t, 3, s.NotYet)
					finish(t, p)
				})
			})
		}
	}
}

func TestHooksAreToldThatAJobIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type told struct {
			attempt int
			notYet  bool
			err     error
			delay   time.Duration
		}
		var retries []told
		starts, ended := 0, FinishEvent{}
		p := newPool(t, 1, WithHooks(Hooks{
			Start: func(ctx context.Context, e StartEvent) context.Context { starts++; return ctx },
			Retry: func(_ context.Context, e RetryEvent) {
				retries = append(retries, told{e.Attempt, e.NotYet, e.Err, e.Delay})
			},
			Finish: func(_ context.Context, e FinishEvent) { ended = e },
		}))
		answers := []error{NotYet(time.Minute, errWhy), RetryAfter(time.Second, errTest), RetryAfter(0, nil), nil}
		require.NoError(t, p.Submit(func(context.Context) error { return answers[starts-1] }).Wait(t.Context()))
		require.Equal(t, []told{
			{1, true, errWhy, time.Minute}, {1, false, errTest, time.Second}, {2, true, nil, leastPutOff},
		}, retries)
		require.Equal(t, 2, ended.Attempt)
		finish(t, p)
	})
}

func TestAJobThatIsPutOffHoldsNeitherWorkerNorSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithSlots(slot.NewLocal(1)))
		var ready atomic.Bool
		task := p.Submit(func(context.Context) error {
			if !ready.Load() {
				return NotYet(time.Hour, errWhy)
			}
			return nil
		})
		synctest.Wait()
		require.Equal(t, StateWaiting, task.State())
		begin := time.Now()
		require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		require.Zero(t, time.Since(begin))
		ready.Store(true)
		require.NoError(t, task.Wait(t.Context()))
		require.Equal(t, time.Hour, time.Since(begin))
		finish(t, p)
	})
}

func TestAJobThatComesBackAtOnceIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		runs := 0
		task := p.Submit(func(context.Context) error { runs++; return NotYet(0, nil) })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 101, runs)
		task.Cancel()
		finish(t, p)
	})
}

func TestATaskThatEndsWhileItIsPutOffKeepsItsLastError(t *testing.T) {
	ends := map[string]struct {
		end   func(p *Pool, t *Task)
		cause error
	}{
		"cancel":   {func(_ *Pool, t *Task) { t.Cancel() }, ErrCanceled},
		"shutdown": {func(p *Pool, _ *Task) { _ = p.Shutdown(context.Background()) }, ErrShutdown},
	}
	for how, e := range ends {
		for name, c := range map[string]struct {
			answers []error
			want    error // beside the cause
		}{
			"failed":                   {[]error{RetryAfter(0, errTest), NotYet(time.Hour, errWhy)}, errTest},
			"failed, put off twice":    {[]error{RetryAfter(0, errTest), NotYet(0, errWhy), RetryAfter(time.Hour, nil)}, errTest},
			"never failed":             {[]error{NotYet(0, nil), NotYet(time.Hour, errWhy)}, errWhy},
			"never failed, not a word": {[]error{RetryAfter(time.Hour, nil)}, nil},
			"failed after all":         {[]error{NotYet(0, errWhy), RetryAfter(time.Hour, errTest)}, errTest},
		} {
			t.Run(how+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, 1)
					run := 0
					task := p.Submit(func(context.Context) error { run++; return c.answers[run-1] })
					time.Sleep(time.Minute)
					synctest.Wait() // the end of a sleep is in no order with what others did before it
					require.Len(t, c.answers, run)
					e.end(p, task)
					synctest.Wait()
					require.Equal(t, StateDone, task.State())
					err := task.Err()
					require.ErrorIs(t, err, e.cause)
					for _, one := range []error{errTest, errWhy} {
						require.Equal(t, one == c.want, errors.Is(err, one), "%v", one)
					}
					_, _, asks := AsRetry(err)
					require.False(t, asks, "a result asks for nothing")
					finish(t, p)
				})
			})
		}
	}
}

func TestAJobThatIsCancelledAsItAsksToComeBackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		run := 0
		task := p.Submit(func(ctx context.Context) error {
			if run++; run == 1 {
				return RetryAfter(0, errTest)
			}
			<-ctx.Done()
			return NotYet(0, errWhy)
		})
		time.Sleep(time.Second)
		task.Cancel()
		err := task.Wait(t.Context())
		require.ErrorIs(t, err, errTest)
		require.ErrorIs(t, err, ErrCanceled)
		require.NotErrorIs(t, err, errWhy)
		require.Equal(t, 2, run)
		finish(t, p)
	})
}
