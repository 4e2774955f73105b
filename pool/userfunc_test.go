package pool

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// userFuncs has each function of the user's that a pool calls beside its jobs,
// given as an option that calls boom in it.
var userFuncs = []struct {
	name string
	opt  func(boom func()) Option
}{
	{"WithSlotKey", func(boom func()) Option {
		return WithSlotKey(func(lane string) string { boom(); return lane })
	}},
	{"WithErrorHandler", func(boom func()) Option { return WithErrorHandler(func(error) { boom() }) }},
	{"WithLogger", func(boom func()) Option { return WithLogger(slog.New(&bursting{boom: boom})) }},
	{"Use", func(boom func()) Option {
		return Use(func(next Job) Job {
			return func(ctx context.Context) error { boom(); return next(ctx) }
		})
	}},
	{"Use, after the job", func(boom func()) Option {
		return Use(func(next Job) Job {
			return func(ctx context.Context) error { defer boom(); return next(ctx) }
		})
	}},
	{"Hooks.Submitted", func(boom func()) Option {
		return WithHooks(Hooks{Submitted: func(context.Context, JobEvent) { boom() }})
	}},
	{"Hooks.Start", func(boom func()) Option {
		return WithHooks(Hooks{Start: func(ctx context.Context, _ StartEvent) context.Context { boom(); return ctx }})
	}},
	{"Hooks.Retry", func(boom func()) Option {
		return WithHooks(Hooks{Retry: func(context.Context, RetryEvent) { boom() }})
	}},
	{"Hooks.Finish", func(boom func()) Option {
		return WithHooks(Hooks{Finish: func(context.Context, FinishEvent) { boom() }})
	}},
	{"Hooks.Overrun", func(boom func()) Option {
		return WithHooks(Hooks{Overrun: func(context.Context, JobEvent) { boom() }})
	}},
	{"Hooks.Enqueue", func(boom func()) Option {
		return WithHooks(Hooks{Enqueue: func(ctx context.Context, _ SlotEvent) context.Context { boom(); return ctx }})
	}},
	{"Hooks.Queued", func(boom func()) Option { return WithHooks(Hooks{Queued: func(SlotEvent) { boom() }}) }},
	{"Hooks.Granted", func(boom func()) Option { return WithHooks(Hooks{Granted: func(SlotEvent) { boom() }}) }},
	{"Hooks.Released", func(boom func()) Option { return WithHooks(Hooks{Released: func(SlotEvent) { boom() }}) }},
	{"Hooks.Lost", func(boom func()) Option { return WithHooks(Hooks{Lost: func(SlotEvent) { boom() }}) }},
	{"Hooks.Failed", func(boom func()) Option { return WithHooks(Hooks{Failed: func(SlotEvent) { boom() }}) }},
}

// bursting is a handler of package slog.
type bursting struct {
	diary
	boom func()
}

func (b *bursting) Handle(context.Context, slog.Record) error { b.boom(); return nil }

// Whatever function of the user's panics or calls runtime.Goexit, each time it is
// called, each task has its result, and when it does so no more the pool is as
// good as new.
func TestAUsersFunctionEndsNothingButWhatItWasCalledFor(t *testing.T) {
	for _, f := range userFuncs {
		for how, end := range map[string]func(){"panics": func() { panic("boom") }, "calls Goexit": runtime.Goexit} {
			t.Run(f.name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var armed atomic.Bool
					var calls atomic.Int64
					src := newFake(1)
					p := newPool(t, 2, WithSlots(src), WithGrace(time.Second), WithReuse(0), f.opt(func() {
						if armed.Load() {
							calls.Add(1)
							end()
						}
					}))
					armed.Store(true)
					everythingHappens(t, p, src)
					require.NotZero(t, calls.Load(), "the function was never called")
					armed.Store(false)
					for _, err := range everythingHappens(t, p, src) {
						require.NotErrorIs(t, err, ErrGoexit)
						require.NotErrorIs(t, err, ErrSlotKey)
						require.NotErrorAs(t, err, new(*PanicError))
					}
					_ = p.Wait(t.Context())
					require.NoError(t, p.Shutdown(t.Context()))
					requireBalance(t, p)
				})
			})
		}
	}
}

// everythingHappens has the pool do all that it can tell of, and returns the
// results of the tasks.
func everythingHappens(t *testing.T, p *Pool, src *fakeSource) []error {
	t.Helper()
	src.setFail(func(string) error { return slot.ErrUnavailable })
	first := true
	var submits sync.WaitGroup
	var mu sync.Mutex // guards tasks
	var tasks []*Task
	submit := func(job Job, opts ...JobOption) {
		submits.Go(func() { // a function that calls Goexit ends its submitter
			task := p.Submit(job, opts...)
			mu.Lock()
			defer mu.Unlock()
			tasks = append(tasks, task)
		})
	}
	submit(func(context.Context) error { src.lose(); time.Sleep(3 * time.Second); return nil }, Key("lost"))
	submit(func(context.Context) error {
		if first {
			first = false
			return RetryAfter(time.Second, errTest)
		}
		return nil
	}, Key("retried"))
	for range 4 {
		submit(sleeps(time.Millisecond), Key("contended"))
	}
	submit(nothing, Key("later"), After(time.Second))
	submits.Go(func() { _ = p.Go(func(context.Context) error { return errTest }, Key("go")) })
	submits.Go(func() { _ = p.Go(func(context.Context) error { return errTest }, Key("go"), Name("named")) })
	submits.Go(func() { p.Submit(nothing, Key("cancelled")).Cancel() })
	time.Sleep(2 * time.Minute) // so that it is said once more
	src.setFail(nil)
	submits.Wait()
	held, err := src.Enqueue(t.Context(), "contended")
	require.NoError(t, err)
	time.Sleep(time.Second)
	if s, ok := held.Slot(); ok {
		_ = s.Release()
	}
	_ = held.Close()
	var results []error
	for _, task := range slices.Clone(tasks) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		results = append(results, task.Wait(ctx))
		cancel()
		require.Equal(t, StateDone, task.State(), "a task has no result")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.NotErrorIs(t, p.Wait(ctx), context.DeadlineExceeded, "a job has no result: %+v", p.Stats())
	return results
}

func TestAPanicInTheSequenceOrTheKeyOfMapReachesItsLoopAlone(t *testing.T) {
	inBothOrders(t, panicsReachTheLoopAlone)
}

func panicsReachTheLoopAlone(t *testing.T, order []MapOption) {
	p := newPool(t, 2)
	for name, use := range map[string]func(){
		"the sequence": func() {
			seq := func(yield func(int) bool) { _ = yield(1) && yield(2); panic("boom") }
			for range Map(t.Context(), p, seq, double, order...) {
			}
		},
		"a sequence with errors": func() {
			seq := func(yield func(int, error) bool) { _ = yield(1, nil) && yield(2, errBad); panic("boom") }
			for range Map2(t.Context(), p, seq, double, order...) {
			}
		},
		"KeyBy": func() {
			by := KeyBy(func(n int) string {
				if n == 2 {
					panic("boom")
				}
				return ""
			})
			for range Map(t.Context(), p, slices.Values([]int{1, 2, 3}), double, append(order, by)...) {
			}
		},
		"the loop": func() {
			for range Map(t.Context(), p, slices.Values([]int{1, 2, 3}), double, order...) {
				panic("boom")
			}
		},
	} {
		require.PanicsWithValue(t, "boom", use, name)
		require.NoError(t, p.Wait(t.Context()), name)
	}
	finish(t, p)
}

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// The function is the user's, and may look at the pool.
func TestAPanicInTheFunctionOfWithSlotKeyLeavesThePoolFree(t *testing.T) {
	var p *Pool
	var err error
	p, err = New(1, WithSlots(newFake(1)), WithSlotKey(func(lane string) string {
		if !p.mu.TryLock() {
			t.Error("the pool is locked")
		} else {
			p.mu.Unlock()
		}
		if lane == "bad" {
			panic("boom")
		}
		return lane
	}))
	require.NoError(t, err)
	err = p.Submit(nothing, Key("bad")).Wait(t.Context())
	if t.Failed() {
		return // whatever else needs the lock would wait for ever
	}
	require.ErrorIs(t, err, ErrSlotKey)
	require.ErrorContains(t, err, `for the key "bad": boom`)
	require.ErrorIs(t, p.Go(nothing, Key("bad")), ErrSlotKey)
	require.ErrorIs(t, p.Submit(nothing, Key("bad"), After(time.Second)).Wait(t.Context()), ErrSlotKey)
	require.NoError(t, p.Submit(nothing, Key("good")).Wait(t.Context()))
	finish(t, p)
}
