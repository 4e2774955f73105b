package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A busySite is what jobs ask. It says once to come back later, and notes who came.
type busySite struct {
	later time.Duration

	mu     sync.Mutex // guards what follows
	asked  []time.Time
	said   time.Time // when it said to come back later
	paused []pauseTold
}

// A pauseTold is what OnPause was told.
type pauseTold struct {
	key string
	d   time.Duration
	err error
}

// job asks the site, which takes d to answer.
func (s *busySite) job(d time.Duration) pool.Job {
	return func(context.Context) error {
		s.mu.Lock()
		s.asked = append(s.asked, time.Now())
		s.mu.Unlock()
		time.Sleep(d)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.said.IsZero() {
			return nil
		}
		s.said = time.Now()
		return middleware.WithRetryAfter(errBusy, s.later)
	}
}

func (s *busySite) onPause(key string, d time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = append(s.paused, pauseTold{key, d, err})
}

// patience is the chain of a pool whose jobs ask the site.
func (s *busySite) patience(src slot.Source, opts ...middleware.PauseOption) pool.Option {
	return pool.Use(
		middleware.Retry(middleware.MaxAttempts(3, middleware.Constant(0))),
		middleware.PauseKey(src, append(opts, middleware.OnPause(s.onPause))...),
	)
}

// afterwards is when the site was asked, in seconds since it said to come back later.
func (s *busySite) afterwards() (after []float64) {
	for _, at := range s.asked {
		if d := at.Sub(s.said); d >= 0 {
			after = append(after, d.Seconds())
		}
	}
	return after
}

// twoSources are two sources of the same slots, one for each key, as two processes
// have them.
func twoSources(t *testing.T) map[string][2]slot.Source {
	srv, err := server.Start(t.Context(), server.WithInMemory())
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	var remote [2]slot.Source
	for i := range remote {
		src, err := dflockd.NewSource(slot.Keyed("", 1), dflockd.WithServer(srv))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, src.Close(context.Background())) })
		remote[i] = src
	}
	local := slot.NewLocalKeyed(1)
	return map[string][2]slot.Source{"in this process": {local, local}, "of a server": remote}
}

// Whatever pool they are in, jobs of the key begin when the server wants it.
func TestAServersRetryAfterPausesTheKeyForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, sources := range twoSources(t) {
			site := busySite{later: 30 * time.Second}
			var pools [2]*pool.Pool
			for i := range pools {
				pools[i] = newPool(t, 4, pool.WithSlots(sources[i]), pool.WithReuse(time.Second), site.patience(sources[i]))
			}
			var tasks []*pool.Task
			for range 5 {
				for _, p := range pools {
					tasks = append(tasks, p.Submit(site.job(100*time.Millisecond), pool.Key("busy")))
				}
			}
			var other []time.Time
			time.Sleep(5 * time.Second)
			for _, p := range pools {
				require.NoError(t, p.Submit(func(context.Context) error { other = append(other, time.Now()); return nil }, pool.Key("other")).Wait(t.Context()))
			}
			require.Less(t, other[1].Sub(site.said), 6*time.Second, "other keys go on")
			for _, task := range tasks {
				require.NoError(t, task.Wait(t.Context()))
			}
			after := site.afterwards()
			require.Len(t, after, 10, name)
			require.GreaterOrEqual(t, after[0], 30.0, name)
			require.Less(t, after[0], 31.0, name)
			require.Equal(t, []pauseTold{{"busy", 30 * time.Second, nil}}, site.paused, name)
		}
	})
}

func TestAPauseCountsFromTheWordOfTheServerAndIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		said, read time.Duration // what the server said, and how long the job went on
		opts       []middleware.PauseOption
		want       time.Duration
	}{
		"at once":         {said: 20 * time.Second, want: 20 * time.Second},
		"later":           {said: 20 * time.Second, read: 5 * time.Second, want: 15 * time.Second},
		"over by then":    {said: 5 * time.Second, read: 5 * time.Second},
		"for an hour":     {said: time.Hour, want: slot.MaxPause},
		"within a bound":  {said: time.Hour, read: 5 * time.Second, opts: []middleware.PauseOption{middleware.PauseAtMost(10 * time.Second)}, want: 10 * time.Second},
		"with more right": {said: time.Hour, opts: []middleware.PauseOption{middleware.PauseAtMost(2 * time.Hour)}, want: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.NewLocalKeyed(1)
				var site busySite
				p := newPool(t, 1, pool.WithSlots(src), pool.Use(middleware.PauseKey(src, append(c.opts, middleware.OnPause(site.onPause))...)))
				task := p.Submit(func(context.Context) error {
					err := middleware.WithRetryAfter(errBusy, c.said)
					time.Sleep(c.read)
					return err
				}, pool.Key("busy"))
				require.ErrorIs(t, task.Wait(t.Context()), errBusy)
				st, err := slot.Inspect(t.Context(), src, "busy")
				require.NoError(t, err)
				if c.want == 0 {
					require.Empty(t, site.paused)
					require.Zero(t, st.PausedUntil)
					return
				}
				require.Equal(t, []pauseTold{{"busy", c.want, nil}}, site.paused)
				require.Equal(t, c.want, time.Until(st.PausedUntil))
			})
		})
	}
}

// plain is a source that can do nothing beside what every source can.
type plain struct{ slot.Source }

// A slot that the pool has already would serve the next job at once.
func TestAJobUnderASlotOfBeforeThePauseIsPutOffAndHasMadeNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, src := range map[string]slot.Source{
			"paused by all":     slot.NewLocalKeyed(4),
			"by this pool only": plain{slot.NewLocalKeyed(4)},
		} {
			site := busySite{later: 30 * time.Second}
			p := newPool(t, 4, pool.WithSlots(src), pool.WithReuse(time.Hour), site.patience(src))
			attempts := make(chan int, 1000)
			for range 100 {
				require.NoError(t, p.Go(func(ctx context.Context) error {
					info, _ := pool.FromContext(ctx)
					attempts <- info.Attempt
					return site.job(time.Millisecond)(ctx)
				}, pool.Key("busy")))
			}
			require.NoError(t, p.Wait(t.Context()))
			for _, after := range site.afterwards() {
				require.True(t, after == 0 || after >= 30, "%s: %v", name, after)
			}
			require.LessOrEqual(t, len(site.asked)-len(site.afterwards()), 4, name)
			close(attempts)
			var again int
			for n := range attempts {
				again += n - 1
			}
			require.Equal(t, 1, again, "%s: the attempts of all jobs, but that of the one that was told", name)
			require.Len(t, site.paused, 1, name)
			require.Equal(t, name == "by this pool only", errors.Is(site.paused[0].err, errors.ErrUnsupported), name)
		}
	})
}

// stuck is a source whose engine answers to no pause.
type stuck struct{ *slot.Local }

func (stuck) Pause(ctx context.Context, _ string, _ time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestAnEngineThatDoesNotAnswerHoldsNoWorkerUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, opts := range map[time.Duration][]middleware.PauseOption{
			2 * time.Second:        nil,
			300 * time.Millisecond: {middleware.PauseWithin(300 * time.Millisecond)},
		} {
			src := stuck{slot.NewLocalKeyed(1)}
			site := busySite{later: 10 * time.Second}
			p := newPool(t, 1, pool.WithSlots(src), site.patience(src, opts...))
			start := time.Now()
			task := p.Submit(site.job(0), pool.Key("busy"))
			require.NoError(t, p.Submit(nothing, pool.Key("other")).Wait(t.Context()))
			require.Equal(t, want, time.Since(start))
			require.NoError(t, task.Wait(t.Context()))
			require.Equal(t, 10*time.Second, time.Since(start), "what the engine took is part of the wait")
			require.ErrorContains(t, site.paused[0].err, "has not answered within "+want.String())
		}
	})
}

func TestAPauseIsAskedForAlsoWhenTheJobWasCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		p := newPool(t, 1, pool.WithSlots(src), pool.Use(middleware.PauseKey(src)))
		task := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			return middleware.WithRetryAfter(errBusy, 20*time.Second)
		}, pool.Key("busy"))
		synctest.Wait()
		task.Cancel()
		require.Error(t, task.Wait(t.Context()))
		synctest.Wait()
		st, err := slot.Inspect(t.Context(), src, "busy")
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Until(st.PausedUntil))
	})
}

func TestOneKeyOfSeveralThatAJobHoldsIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, all := slot.NewLocalKeyed(1), slot.NewLocal(2)
		p := newPool(t, 2, pool.WithSlots(slot.All(host, all)), pool.Use(middleware.PauseKey(host)))
		start := time.Now()
		job := func(context.Context) error { return middleware.WithRetryAfter(errBusy, 20*time.Second) }
		require.ErrorIs(t, p.Submit(job, pool.Key("busy")).Wait(t.Context()), errBusy)
		next := p.Submit(nothing, pool.Key("busy"))
		require.NoError(t, p.Submit(nothing, pool.Key("other")).Wait(t.Context()))
		require.Zero(t, time.Since(start))
		require.NoError(t, next.Wait(t.Context()))
		require.Equal(t, 20*time.Second, time.Since(start))
	})
}

func TestWhatPausesNothingIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
		defer slog.SetDefault(before)
		src := plain{slot.NewLocalKeyed(1)}
		p := newPool(t, 1, pool.WithSlots(src), pool.Use(middleware.PauseKey(src)))
		for range 3 {
			job := func(context.Context) error { return middleware.WithRetryAfter(errBusy, time.Second) }
			require.ErrorIs(t, p.Submit(job, pool.Key("busy")).Wait(t.Context()), errBusy)
		}
		require.Equal(t, 1, strings.Count(said.String(), "cannot pause a key"), said.String())
	})
}

func TestOutsideAPoolPauseKeyDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		job := middleware.PauseKey(src)(func(context.Context) error { return middleware.WithRetryAfter(errBusy, time.Minute) })
		for range 2 {
			require.ErrorIs(t, job(t.Context()), errBusy)
		}
		st, err := slot.Inspect(t.Context(), src, "")
		require.NoError(t, err)
		require.Zero(t, st.PausedUntil)
	})
}

func TestPauseKeyRefusesWhatMakesNoSense(t *testing.T) {
	src := slot.NewLocal(1)
	for says, m := range map[string]pool.Middleware{
		"middleware: PauseKey: ":                                        middleware.PauseKey(nil),
		"middleware: PauseKey: an option is nil":                        middleware.PauseKey(src, nil),
		"middleware: PauseKey: PauseAtMost(0s): give a time above zero": middleware.PauseKey(src, middleware.PauseAtMost(0)),
		"middleware: PauseKey: PauseWithin(-1s): give a time above":     middleware.PauseKey(src, middleware.PauseWithin(-time.Second)),
		"middleware: PauseKey: OnPause: the function is nil":            middleware.PauseKey(src, middleware.OnPause(nil)),
	} {
		_, err := pool.New(1, pool.Use(m))
		require.ErrorContains(t, err, says)
	}
}
