package pool

import (
	"context"
	"errors"
	"fmt"
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

// ways are all ways to hand a job to a pool. Each returns when the job has its
// result.
var ways = map[string]func(p *Pool, job Job, opts []JobOption) error{
	"Go": func(p *Pool, job Job, opts []JobOption) error {
		return errors.Join(p.Go(job, opts...), p.Wait(context.Background()))
	},
	"Submit": func(p *Pool, job Job, opts []JobOption) error {
		return p.Submit(job, opts...).Wait(context.Background())
	},
	"SubmitContext": func(p *Pool, job Job, opts []JobOption) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		return p.SubmitContext(ctx, job, opts...).Wait(context.Background())
	},
	"TrySubmit": func(p *Pool, job Job, opts []JobOption) error {
		t, err := p.TrySubmit(job, opts...)
		if err != nil {
			return err
		}
		return t.Wait(context.Background())
	},
	"Call": func(p *Pool, job Job, opts []JobOption) error {
		_, err := Call(context.Background(), p, func(ctx context.Context) (int, error) { return 1, job(ctx) }, opts...).Wait(context.Background())
		return err
	},
	"Group": func(p *Pool, job Job, opts []JobOption) error {
		g := p.Group(context.Background())
		g.Submit(job, opts...)
		return g.Wait(context.Background())
	},
	"Map": func(p *Pool, job Job, opts []JobOption) (err error) {
		all := make([]MapOption, len(opts))
		for i, opt := range opts {
			all[i] = opt
		}
		for _, e := range Map(context.Background(), p, slices.Values([]int{1}), func(ctx context.Context, _ int) (int, error) { return 1, job(ctx) }, all...) {
			err = errors.Join(err, e)
		}
		return err
	},
}

// infoOf is the part of what a job knows of itself that has to be the same in
// every pool.
type infoOf struct {
	key, slotKey, name string
	priority, attempt  int
	elapsed            time.Duration // where it is known
}

func TestEachAttemptHasTheOptionsOfItsJobHoweverItWasSubmitted(t *testing.T) {
	options := map[string][]JobOption{
		"none":     nil,
		"key":      {Key("a")},
		"priority": {Priority(-3)},
		"both":     {Key("a"), Priority(3)},
		"all":      {Key("a"), Priority(3), Name("n"), After(time.Minute)},
	}
	pools := map[string]func() []Option{
		"plain":                func() []Option { return nil },
		"slots":                func() []Option { return []Option{WithSlots(slot.NewLocalKeyed(1))} },
		"slots without reuse":  func() []Option { return []Option{WithSlots(slot.NewLocalKeyed(1)), WithReuse(0)} },
		"slot key":             func() []Option { return []Option{WithSlots(slot.NewLocalKeyed(1)), WithSlotKey(prefixed)} },
		"middleware":           func() []Option { return []Option{Use(through)} },
		"middleware and slots": func() []Option { return []Option{Use(through), WithSlots(slot.NewLocalKeyed(1))} },
		"hooks":                func() []Option { return []Option{WithHooks(Hooks{Submitted: func(context.Context, JobEvent) {}})} },
		"hooks and a slot key": func() []Option {
			return []Option{WithHooks(Hooks{Released: func(SlotEvent) {}}), WithSlots(slot.NewLocalKeyed(1)), WithSlotKey(prefixed)}
		},
		"all": func() []Option {
			return []Option{Use(through), WithSlots(slot.NewLocalKeyed(1)), WithSlotKey(prefixed), WithHooks(Hooks{Released: func(SlotEvent) {}})}
		},
	}
	for way, submit := range ways {
		for given, opts := range options {
			for kind, with := range pools {
				t.Run(way+"/"+given+"/"+kind, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newPool(t, 2, with()...)
						var got []infoOf
						err := submit(p, func(ctx context.Context) error {
							i, ok := FromContext(ctx)
							require.True(t, ok)
							got = append(got, infoOf{i.Key, i.SlotKey, i.Name, i.Priority, i.Attempt, i.Elapsed()})
							if len(got) < 4 {
								return RetryAfter(time.Second, errTest)
							}
							return nil
						}, opts)
						require.NoError(t, err)
						o := gather(opts)
						for i := range 4 {
							want := infoOf{key: o.key, name: o.name, priority: o.priority, attempt: i + 1}
							if p.src != nil {
								want.slotKey, err = p.slotKeyOf(o.key)
								require.NoError(t, err)
							}
							if !p.bare {
								want.elapsed = time.Duration(i) * time.Second
							}
							require.Equal(t, want, got[i])
						}
						require.EqualValues(t, 3, p.Stats().Retries)
						require.EqualValues(t, 1, p.Stats().Submitted)
						finish(t, p)
					})
				})
			}
		}
	}
}

func prefixed(key string) string { return "slots of " + key }

func through(next Job) Job { return next }

// A job of Go is nothing but a function to the pool, and yet none of them is
// taken for another, whichever worker has it, and however it got it.
func TestJobsOfGoKeepTheirOptionsInBatches(t *testing.T) {
	for kind, opts := range map[string][]Option{
		"plain": nil, "slots": {WithSlots(slot.NewLocalKeyed(2))},
	} {
		t.Run(kind, func(t *testing.T) {
			p := newPool(t, 4, opts...)
			var wrong, ended atomic.Int64
			for n := range 8000 {
				key, priority := fmt.Sprint("key-", n/500%3), n/100%3
				ran := 0
				require.NoError(t, p.Go(func(ctx context.Context) error {
					ran++
					if i, ok := FromContext(ctx); !ok || i.Key != key || i.Priority != priority || i.Attempt != ran {
						wrong.Add(1)
					}
					if n%7 == 0 {
						runtime.Gosched()
					}
					if ran < 3 && n%5 == 0 {
						return RetryAfter(0, errTest)
					}
					ended.Add(1)
					return nil
				}, Key(key), Priority(priority)))
			}
			require.NoError(t, p.Wait(t.Context()))
			require.Zero(t, wrong.Load())
			require.EqualValues(t, 8000, ended.Load())
			finish(t, p)
		})
	}
}

func TestMiddlewareMayCallTheJobTwiceAndLate(t *testing.T) {
	for way, submit := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var late sync.WaitGroup
				p := newPool(t, 1, WithSlots(slot.NewLocal(1)), Use(func(next Job) Job {
					return func(ctx context.Context) error {
						if err := next(ctx); err != nil {
							return err
						}
						late.Go(func() {
							time.Sleep(time.Minute) // others have had the worker and the slot since
							_ = next(ctx)
						})
						return next(ctx)
					}
				}))
				for n := range 3 {
					var runs atomic.Int32
					require.NoError(t, submit(p, func(ctx context.Context) error {
						runs.Add(1)
						i, ok := FromContext(ctx)
						require.True(t, ok)
						require.Equal(t, fmt.Sprint(n), i.Key)
						return nil
					}, []JobOption{Key(fmt.Sprint(n))}))
					require.EqualValues(t, 2, runs.Load())
					defer func() { require.EqualValues(t, 3, runs.Load(), "a call of next runs the job that it was made for") }()
				}
				late.Wait()
				finish(t, p)
			})
		})
	}
}

func TestAJobOfGoThatLostItsSlotKeepsItsOwnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src))
		require.NoError(t, p.Go(func(ctx context.Context) error {
			src.lose()
			<-ctx.Done()
			return RetryAfter(time.Hour, errTest)
		}, Key("a")))
		synctest.Wait()
		err := p.Shutdown(context.Background())
		require.ErrorIs(t, err, errTest)
		require.ErrorIs(t, err, slot.ErrLost)
		require.ErrorIs(t, err, ErrShutdown)
	})
}

func TestAPanicInALaterAttemptIsTheWholeResult(t *testing.T) {
	p := newPool(t, 1)
	runs := 0
	err := p.Submit(func(context.Context) error {
		if runs++; runs == 1 {
			return RetryAfter(0, errTest)
		}
		panic("ouch")
	}).Wait(context.Background())
	require.IsType(t, &PanicError{}, err)
	finish(t, p)
}
