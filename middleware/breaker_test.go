package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// A fuse is a breaker like gobreaker's: it opens after a number of failures in a
// row, is half-open after a time, lets a number of probes through then, and closes
// when all of them succeed. An outcome of a state that is over does not count. It
// knows success and failure only.
type fuse struct {
	threshold, probes int
	open              time.Duration

	mu         sync.Mutex
	state      string // "", "open", "half-open"
	generation int
	failures   int
	permitted  int // while half-open
	succeeded  int // likewise
	until      time.Time
	refused    int
	opened     int
}

var errTooMany = errors.New("too many requests")

func (f *fuse) Allow() (func(error), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	switch {
	case f.state == "open":
		f.refused++
		return nil, errOpen
	case f.state == "half-open" && f.permitted >= f.probes:
		f.refused++
		return nil, errTooMany
	}
	f.permitted++
	generation := f.generation
	return func(err error) { f.done(generation, err) }, nil
}

// look lets an open fuse be half-open once its time is over: after it, not at it.
func (f *fuse) look() {
	if f.state == "open" && f.until.Before(time.Now()) {
		f.become("half-open")
	}
}

func (f *fuse) become(state string) {
	f.state = state
	f.generation++
	f.failures, f.permitted, f.succeeded = 0, 0, 0
	if state == "open" {
		f.opened++
		f.until = time.Now().Add(f.open)
	}
}

func (f *fuse) done(generation int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.look(); generation != f.generation {
		return
	}
	switch {
	case err == nil:
		f.failures = 0
		if f.succeeded++; f.state == "half-open" && f.succeeded >= f.probes {
			f.become("")
		}
	case f.state == "half-open":
		f.become("open")
	default:
		if f.failures++; f.failures >= f.threshold {
			f.become("open")
		}
	}
}

func (f *fuse) is() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	return f.state
}

// A timedFuse says until when it is open.
type timedFuse struct{ *fuse }

func (f timedFuse) RetryAt() (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until, f.state == "open"
}

// theChain is that of Retry's documentation.
func theChain(b middleware.Breaker, opts ...middleware.BreakerOption) pool.Option {
	policy := middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))
	return pool.Use(middleware.Retry(policy), middleware.CircuitBreaker(b, opts...), middleware.Timeout(30*time.Second))
}

func TestNoJobIsLostInAnOutageThatABreakerSees(t *testing.T) {
	const jobs = 100
	for name, c := range map[string]struct {
		with    func(f *fuse) (middleware.Breaker, []middleware.BreakerOption)
		refused int // at most
	}{
		"the breaker says when": {func(f *fuse) (middleware.Breaker, []middleware.BreakerOption) { return timedFuse{f}, nil }, 6 * jobs},
		"an option says when": {func(f *fuse) (middleware.Breaker, []middleware.BreakerOption) {
			return f, []middleware.BreakerOption{middleware.OpenFor(time.Minute)}
		}, 6 * jobs},
		"nobody says when": {func(f *fuse) (middleware.Breaker, []middleware.BreakerOption) { return f, nil }, 30 * jobs},
	} {
		for _, outage := range []time.Duration{300 * time.Millisecond, 20 * time.Second, 3 * time.Minute} {
			t.Run(fmt.Sprint(name, " ", outage), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fuse{threshold: 6, probes: 1, open: time.Minute}
					b, opts := c.with(f)
					p := newPool(t, 8, pool.WithSlots(slot.NewLocal(4)), theChain(b, opts...))
					begin := time.Now()
					var calls, ended atomic.Int64
					var tasks []*pool.Task
					for range jobs {
						tasks = append(tasks, p.Submit(func(ctx context.Context) error {
							calls.Add(1)
							time.Sleep(10 * time.Millisecond)
							if time.Since(begin) < outage {
								return errFlaky
							}
							ended.Store(int64(time.Since(begin)))
							return nil
						}))
					}
					for _, task := range tasks {
						require.NoError(t, task.Wait(context.Background()))
					}
					require.LessOrEqual(t, calls.Load(), int64(jobs+30), "the breaker kept the rest from a service that is down")
					require.LessOrEqual(t, f.refused, c.refused)
					periods := int64(outage/time.Minute) + 1
					require.LessOrEqual(t, time.Duration(ended.Load()), time.Duration(periods)*(time.Minute+20*time.Second)+20*time.Second)
				})
			})
		}
	}
}

func TestARefusalIsNoAttemptAndHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 1, probes: 1, open: time.Hour}
		budget := middleware.NewBudget(10, 0.1)
		asked := 0
		policy := middleware.MaxAttempts(3, func(attempt int, _ time.Duration, _ error) (time.Duration, bool) {
			asked++
			require.Equal(t, asked, attempt)
			return 0, true
		})
		p := newPool(t, 1, pool.WithSlots(slot.NewLocal(1)), pool.Use(
			middleware.Retry(policy, middleware.WithBudget(budget)), middleware.CircuitBreaker(f, middleware.OpenFor(time.Hour))))
		begin := time.Now()
		var attempts []int
		task := p.Submit(func(ctx context.Context) error {
			i, _ := pool.FromContext(ctx)
			attempts = append(attempts, i.Attempt)
			return errFlaky
		}, pool.Key("a"))
		time.Sleep(time.Second)
		require.Equal(t, pool.StateWaiting, task.State())
		require.NoError(t, p.Go(func(context.Context) error { return nil }, pool.Key("b"))) // refused, too
		time.Sleep(time.Second)
		s := p.Stats()
		require.EqualValues(t, 2, s.Waiting)
		require.EqualValues(t, 1, s.Retries)
		require.EqualValues(t, 2, s.NotYet)

		require.ErrorIs(t, task.Wait(context.Background()), errFlaky, "the last attempt's own error, and not a refusal")
		require.NotErrorIs(t, task.Err(), errOpen)
		require.Equal(t, []int{1, 2, 3}, attempts)
		require.Equal(t, 2, asked)
		require.InDelta(t, 2*time.Hour, time.Since(begin), float64(10*time.Second), "it came back when the breaker was half-open, and soon after")
		require.NoError(t, p.Wait(context.Background()))
	})
}

func TestAJobThatEndsWhileItIsRefusedKeepsItsLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 1, probes: 1, open: time.Hour}
		p := newPool(t, 1, theChain(f))
		task := p.Submit(func(context.Context) error { return errFlaky })
		other := p.Submit(func(context.Context) error { return nil })
		time.Sleep(time.Minute)
		task.Cancel()
		require.ErrorIs(t, task.Err(), errFlaky)
		require.ErrorIs(t, task.Err(), pool.ErrCanceled)
		require.NotErrorIs(t, task.Err(), errOpen)
		other.Cancel()
		require.ErrorIs(t, other.Err(), errOpen, "it has no other")
		require.ErrorContains(t, other.Err(), "middleware: circuit breaker: breaker is open")
	})
}

func TestWithoutRetryARefusalIsTheResult(t *testing.T) {
	p := newPool(t, 1, pool.Use(middleware.CircuitBreaker(&breaker{threshold: 1, outcomes: []error{errFlaky}})))
	err := p.Submit(func(context.Context) error { return nil }).Wait(context.Background())
	require.EqualError(t, err, "middleware: circuit breaker: breaker is open")
}

func TestANotYetOfTheJobIsNoOutcomeAndNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 2, probes: 1, open: time.Hour}
		budget := middleware.NewBudget(1, 0.001) // one failure and it is used up
		p := newPool(t, 1, pool.Use(middleware.Retry(middleware.MaxAttempts(1, middleware.Constant(0)), middleware.WithBudget(budget)), middleware.CircuitBreaker(f)))
		runs := 0
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			i, _ := pool.FromContext(ctx)
			require.Equal(t, 1, i.Attempt)
			if runs++; runs < 100 {
				return pool.RetryAfter(time.Second, nil)
			}
			return nil
		}).Wait(context.Background()))
		require.Equal(t, 100, runs)
		require.Zero(t, f.opened)
	})
}

// A cancelled probe neither closes the breaker, nor opens it, nor is waited for.
func TestACancelledProbeIsNeitherSuccessNorFailure(t *testing.T) {
	ends := map[string]func(task *pool.Task, cancel context.CancelFunc){
		"cancelled":               func(task *pool.Task, _ context.CancelFunc) { task.Cancel() },
		"its submitter has ended": func(_ *pool.Task, cancel context.CancelFunc) { cancel() },
	}
	for how, end := range ends {
		for _, probes := range []int{1, 3} {
			t.Run(fmt.Sprint(how, " ", probes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fuse{threshold: 1, probes: probes, open: time.Minute}
					p := newPool(t, probes, pool.Use(middleware.CircuitBreaker(f)))
					run := func(job pool.Job) error { return p.Submit(job).Wait(context.Background()) }
					require.ErrorIs(t, run(func(context.Context) error { return errFlaky }), errFlaky)
					time.Sleep(time.Minute + 1)
					for range 5 { // more than there are probes: none is used up
						ctx, cancel := context.WithCancel(context.Background())
						var tasks []*pool.Task
						for range probes {
							tasks = append(tasks, p.SubmitContext(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
						}
						synctest.Wait()
						require.EqualValues(t, probes, p.Stats().Running)
						for _, task := range tasks {
							end(task, cancel)
							require.ErrorIs(t, task.Wait(context.Background()), context.Canceled)
						}
						cancel()
						require.Equal(t, "half-open", f.is())
					}
					for range probes {
						require.Equal(t, "half-open", f.is())
						require.NoError(t, run(func(context.Context) error { return nil }))
					}
					require.Equal(t, "", f.is())
				})
			})
		}
	}
}

func TestCancelledJobsDoNotCountWhileTheBreakerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 3, probes: 1, open: time.Hour}
		p := newPool(t, 1, pool.Use(middleware.CircuitBreaker(f)))
		run := func(job pool.Job) { _ = p.Submit(job).Wait(context.Background()) }
		cancelled := func() {
			task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			synctest.Wait()
			task.Cancel()
			_ = task.Wait(context.Background())
		}
		for range 2000 {
			cancelled()
		}
		require.Equal(t, "", f.is())
		for range 2 {
			run(func(context.Context) error { return errFlaky })
			cancelled()
		}
		require.Equal(t, "", f.is())
		run(func(context.Context) error { return errFlaky })
		require.Equal(t, "open", f.is(), "three failures in a row, whatever was cancelled in between")
		calls := 0
		run(func(context.Context) error { calls++; return nil })
		require.Zero(t, calls, "no permission of before is left")
	})
}

func TestJudgeBySaysWhatAFailureIs(t *testing.T) {
	b := &breaker{}
	errMissing := errors.New("no such item")
	job := func(err error) error {
		return middleware.CircuitBreaker(b, middleware.ThreeOutcomes(), middleware.JudgeBy(func(ctx context.Context, err error) middleware.Outcome {
			switch {
			case errors.Is(err, errMissing):
				return middleware.Success
			case err == nil:
				return middleware.Failure
			case errors.Is(err, errOpen):
				panic("ouch")
			}
			return middleware.OutcomeOf(ctx, err)
		}))(func(context.Context) error { return err })(context.Background())
	}
	require.ErrorIs(t, job(errMissing), errMissing)
	require.ErrorIs(t, job(errFlaky), errFlaky)
	require.NoError(t, job(nil))
	require.NoError(t, b.outcomes[0])
	require.Equal(t, errFlaky, b.outcomes[1])
	require.Error(t, b.outcomes[2], "a breaker takes nil for a success")
	require.Panics(t, func() { _ = job(errOpen) })
	require.Len(t, b.outcomes, 4, "the permission is not forgotten")
	for o, want := range map[middleware.Outcome]string{middleware.Success: "success", middleware.Failure: "failure", middleware.Neither: "neither", 9: "Outcome(9)"} {
		require.Equal(t, want, o.String())
	}
}

// far is a breaker that refuses, and says until when.
type far struct{ at time.Time }

func (f far) Allow() (func(error), error) { return nil, errOpen }
func (f far) RetryAt() (time.Time, bool)  { return f.at, true }
func waitOf(t *testing.T, b middleware.Breaker, opts ...middleware.BreakerOption) time.Duration {
	job := middleware.Retry(middleware.Constant(0))(middleware.CircuitBreaker(b, opts...)(func(context.Context) error { return nil }))
	d, reason, ok := pool.AsRetry(job(context.Background()))
	require.True(t, ok)
	require.NoError(t, reason)
	return d
}

func TestARefusedJobComesBackWhenTheBreakerSaysAndALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for at, want := range map[time.Time][2]time.Duration{
			now.Add(time.Minute):   {time.Minute + 1, time.Minute + time.Second + 1},
			now.Add(time.Second):   {time.Second + 1, 1100*time.Millisecond + 1},
			now.Add(1):             {2, 2},
			now:                    {100 * time.Millisecond, 150 * time.Millisecond},
			now.Add(-time.Hour):    {100 * time.Millisecond, 150 * time.Millisecond},
			{}:                     {100 * time.Millisecond, 150 * time.Millisecond},
			now.Add(math.MaxInt64): {math.MaxInt64, math.MaxInt64},
			time.Unix(1<<62, 0):    {math.MaxInt64, math.MaxInt64},
			time.Unix(-1<<62, 0):   {100 * time.Millisecond, 150 * time.Millisecond},
			time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC): {math.MaxInt64, math.MaxInt64},
		} {
			got := waitOf(t, far{at})
			require.GreaterOrEqual(t, got, want[0], at)
			require.LessOrEqual(t, got, want[1], at)
		}
	})
}

// A call that began while the breaker was closed may fail when it is open: that
// does not put off its end.
func TestALateFailureDoesNotPutOffTheEndOfAnOpenBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 1, probes: 1, open: time.Minute}
		p := newPool(t, 3, pool.Use(middleware.Retry(middleware.Constant(time.Hour)), middleware.CircuitBreaker(f, middleware.OpenFor(time.Minute))))
		ok := func(context.Context) error { return nil }
		late := p.Submit(func(context.Context) error { time.Sleep(30 * time.Second); return errFlaky })
		synctest.Wait()
		begin := time.Now()
		first := p.Submit(func(context.Context) error { return errFlaky }) // opens it
		time.Sleep(time.Second)
		refused := []*pool.Task{p.Submit(ok)}
		time.Sleep(40 * time.Second)
		require.Equal(t, pool.StateWaiting, late.State(), "it has failed")
		refused = append(refused, p.Submit(ok))
		for _, task := range refused {
			require.NoError(t, task.Wait(context.Background()))
		}
		require.LessOrEqual(t, time.Since(begin), 62*time.Second)
		late.Cancel()
		first.Cancel()
	})
}

// Nor does it take the permission away that a cancelled probe has left.
func TestALateFailureDoesNotShutAHalfOpenBreakerForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 1, probes: 1, open: time.Minute}
		p := newPool(t, 2, pool.Use(middleware.CircuitBreaker(f)))
		late := p.Submit(func(context.Context) error { time.Sleep(2 * time.Minute); return errFlaky })
		synctest.Wait()
		require.Error(t, p.Submit(func(context.Context) error { return errFlaky }).Wait(context.Background()))
		time.Sleep(time.Minute + time.Second)
		probe := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		synctest.Wait()
		probe.Cancel()
		require.Error(t, late.Wait(context.Background()))
		require.Equal(t, "half-open", f.is())
		require.NoError(t, p.Submit(func(context.Context) error { return nil }).Wait(context.Background()))
		require.Equal(t, "", f.is())
	})
}

// listens is a breaker that lets everything through and keeps what it hears.
type listens struct {
	mu    sync.Mutex
	heard []error
}

func (l *listens) Allow() (func(error), error) {
	return func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard = append(l.heard, err)
	}, nil
}

// The table of the package's documentation.
func TestRunsCountAsTheDocumentationSays(t *testing.T) {
	const (
		isDone = iota
		isAttempt
		isNone
		isLast
	)
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	returns := func(err error) pool.Job { return func(context.Context) error { return err } }
	constant := middleware.Constant(time.Second)
	shut := &breaker{threshold: 1, outcomes: []error{errFlaky}}
	for name, c := range map[string]struct {
		first   pool.Job // what the first run of the job does; the second succeeds
		policy  middleware.Policy
		opts    []middleware.RetryOption
		during  func(src *slottest.Breakable, task *pool.Task, cancel context.CancelFunc)
		counts  int
		outcome middleware.Outcome
	}{
		"nil":                       {first: returns(nil), counts: isDone, outcome: middleware.Success},
		"an error":                  {first: returns(errFlaky), counts: isAttempt, outcome: middleware.Failure},
		"permanent":                 {first: returns(middleware.Permanent(errFlaky)), counts: isLast, outcome: middleware.Failure},
		"timeout":                   {first: waits, counts: isAttempt, outcome: middleware.Failure},
		"panic":                     {first: func(context.Context) error { panic("ouch") }, counts: isLast, outcome: middleware.Failure},
		"panic that may be retried": {first: func(context.Context) error { panic("ouch") }, opts: []middleware.RetryOption{middleware.RetryPanics()}, counts: isAttempt, outcome: middleware.Failure},
		"goexit":                    {first: func(context.Context) error { runtime.Goexit(); return nil }, counts: isLast, outcome: middleware.Failure},
		"RetryAfter":                {first: returns(pool.RetryAfter(time.Second, errFlaky)), counts: isAttempt, outcome: middleware.Failure},
		"NotYet":                    {first: returns(pool.NotYet(time.Second, errFlaky)), counts: isNone, outcome: middleware.Neither},
		"RetryAfter without error":  {first: returns(fmt.Errorf("wrapped: %w", pool.RetryAfter(time.Second, nil))), counts: isNone, outcome: middleware.Neither},
		"refused":                   {first: middleware.CircuitBreaker(shut)(returns(nil)), counts: isNone, outcome: middleware.Neither}, // of the inner one
		"no turn":                   {first: middleware.RateLimit(turns{errFlaky})(returns(nil)), counts: isAttempt, outcome: middleware.Neither},
		"lost": {first: waits, counts: isLast, outcome: middleware.Neither,
			during: func(src *slottest.Breakable, _ *pool.Task, _ context.CancelFunc) { src.Expire("a") }},
		"lost, which may be retried": {first: waits, policy: middleware.RetryLost(constant), counts: isAttempt, outcome: middleware.Neither,
			during: func(src *slottest.Breakable, _ *pool.Task, _ context.CancelFunc) { src.Expire("a") }},
		"cancelled": {first: waits, counts: isLast, outcome: middleware.Neither,
			during: func(_ *slottest.Breakable, task *pool.Task, _ context.CancelFunc) { task.Cancel() }},
		"its submitter's context ended": {first: waits, counts: isLast, outcome: middleware.Neither,
			during: func(_ *slottest.Breakable, _ *pool.Task, cancel context.CancelFunc) { cancel() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slottest.NewBreakable(slot.NewLocal(1))
				if c.policy == nil {
					c.policy = constant
				}
				l := &listens{}
				p := newPool(t, 1, pool.WithSlots(src), pool.Use(
					middleware.Retry(c.policy, c.opts...), middleware.CircuitBreaker(l, middleware.ThreeOutcomes()), middleware.Timeout(time.Minute)))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var attempts []int
				task := p.SubmitContext(ctx, pool.Job(func(ctx context.Context) error {
					i, _ := pool.FromContext(ctx)
					if attempts = append(attempts, i.Attempt); len(attempts) == 1 {
						return c.first(ctx)
					}
					return nil
				}), pool.Key("a"))
				synctest.Wait()
				if c.during != nil {
					c.during(src, task, cancel)
				}
				err := task.Wait(context.Background())
				require.Equal(t, map[int][]int{isDone: {1}, isAttempt: {1, 2}, isNone: {1, 1}, isLast: {1}}[c.counts], attempts)
				require.Equal(t, c.counts == isLast, err != nil, "%v", err)
				switch c.outcome {
				case middleware.Success:
					require.NoError(t, l.heard[0])
				case middleware.Failure:
					require.Error(t, l.heard[0])
					require.NotErrorIs(t, l.heard[0], middleware.ErrNeither)
				case middleware.Neither:
					require.ErrorIs(t, l.heard[0], middleware.ErrNeither)
				}
			})
		})
	}
}

func TestAPoolThatIsShutDownTellsTheBreakerNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listens{}
		p, err := pool.New(1, pool.Use(middleware.CircuitBreaker(l, middleware.ThreeOutcomes())))
		require.NoError(t, err)
		task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.Canceled)
		require.ErrorIs(t, task.Err(), pool.ErrShutdown)
		require.ErrorIs(t, l.heard[0], middleware.ErrNeither)
	})
}

func TestPoolsThatShareABreakerShareItsPermissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fuse{threshold: 1, probes: 1, open: time.Minute}
		guard := pool.Use(middleware.CircuitBreaker(f))
		one, other := newPool(t, 1, guard), newPool(t, 1, guard)
		require.Error(t, one.Submit(func(context.Context) error { return errFlaky }).Wait(context.Background()))
		time.Sleep(time.Minute + 1)
		probe := one.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		synctest.Wait()
		probe.Cancel()
		require.Error(t, probe.Wait(context.Background()))
		require.NoError(t, other.Submit(nothing).Wait(context.Background()))
		require.Equal(t, "", f.is())
	})
}

// unsure is far, but does not know it: the time that it returns means nothing.
type unsure struct{ far }

func (u unsure) RetryAt() (time.Time, bool) { return u.at, false }

func TestATimeThatABreakerDoesNotKnowCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := waitOf(t, unsure{far{time.Now().Add(time.Hour)}})
		require.LessOrEqual(t, got, 150*time.Millisecond)
	})
}

// deaf is a breaker that does not want to know how attempts end.
type deaf struct{}

func (deaf) Allow() (func(error), error) { return nil, nil }

func TestABreakerNeedNotWantToKnowHowAttemptsEnd(t *testing.T) {
	for _, err := range []error{nil, errFlaky, pool.NotYet(0, nil)} {
		job := middleware.CircuitBreaker(deaf{})(func(context.Context) error { return err })
		require.Equal(t, err, job(context.Background()))
	}
}
