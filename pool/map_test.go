package pool

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// numbers yields 0 to n - 1, and counts in taken what was taken.
func numbers(n int, taken *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			*taken++
			if !yield(i) {
				return
			}
		}
	}
}

// inBothOrders runs a test of what holds for a Map however it is told to yield.
func inBothOrders(t *testing.T, test func(t *testing.T, order []MapOption)) {
	t.Run("in order", func(t *testing.T) { test(t, nil) })
	t.Run("unordered", func(t *testing.T) { test(t, []MapOption{Unordered()}) })
}

func TestMapYieldsResultsInTheOrderOfTheItems(t *testing.T) {
	withPool(t, 4, func(t *testing.T, p *Pool) {
		begin := time.Now()
		slow := []int{5, 1, 4, 1, 3, 1, 2, 1}
		i := 0
		for n, err := range Map(t.Context(), p, slices.Values(slow), func(_ context.Context, n int) (int, error) {
			time.Sleep(time.Duration(n) * time.Second)
			return n, nil
		}) {
			require.NoError(t, err)
			require.Equal(t, slow[i], n)
			i++
		}
		require.Len(t, slow, i)
		require.Equal(t, 5*time.Second, time.Since(begin), "others ran beside the first")
	})
}

func TestAnUnorderedMapYieldsEachResultWhenItIsThere(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		begin := time.Now()
		var yielded []int
		var at []time.Duration
		for n, err := range Map(t.Context(), p, slices.Values([]int{9, 1, 3, 2, 4}), func(_ context.Context, n int) (int, error) {
			time.Sleep(time.Duration(n) * time.Second)
			return n, nil
		}, Unordered(), Window(4)) {
			require.NoError(t, err)
			yielded, at = append(yielded, n), append(at, time.Since(begin))
		}
		require.Equal(t, []int{1, 3, 2, 9, 4}, yielded)
		require.Equal(t, []time.Duration{1 * time.Second, 4 * time.Second, 6 * time.Second, 9 * time.Second, 10 * time.Second}, at)
	})
}

func TestAnErrorOfTheSequenceIsYieldedInItsPlace(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 1, func(t *testing.T, p *Pool) {
			rows := func(yield func(int, error) bool) {
				_ = yield(1, nil) && yield(7, errBad) && yield(2, nil) && yield(0, ErrClosed) && yield(3, nil)
			}
			var ran, yielded []int
			var errs []error
			for n, err := range Map2(t.Context(), p, rows, func(_ context.Context, n int) (int, error) {
				ran = append(ran, n)
				return 10 * n, nil
			}, append(order, Window(1))...) {
				yielded, errs = append(yielded, n), append(errs, err)
			}
			require.Equal(t, []int{1, 2, 3}, ran)
			require.Equal(t, []int{10, 0, 20, 0, 30}, yielded)
			require.Equal(t, []error{nil, errBad, nil, ErrClosed, nil}, errs)
		})
	})
}

// Nothing more is taken from a sequence whose error has ended the loop.
func TestALoopThatEndsAtAnErrorOfTheSequenceTakesNoMore(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 4, func(t *testing.T, p *Pool) {
			taken, stopped := 0, false
			rows := func(yield func(int, error) bool) {
				defer func() { stopped = true }()
				for {
					if taken++; !yield(0, errBad) {
						return
					}
				}
			}
			for _, err := range Map2(t.Context(), p, rows, func(context.Context, int) (int, error) { return 0, nil }, order...) {
				require.Equal(t, errBad, err)
				break
			}
			require.Equal(t, 1, taken)
			require.True(t, stopped, "its defer has run")
		})
	})
}

// A worker runs one item for a long time, and the job that maps runs the others: it
// holds the only slot that they may use.
func TestAJobThatMapsUnorderedWaitsForNoWorker(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		var order []int
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			for n, err := range Map(ctx, p, slices.Values([]int{3, 1, 2}), func(_ context.Context, n int) (int, error) {
				time.Sleep(time.Duration(n) * time.Second)
				return n, nil
			}, Unordered(), KeyBy(func(n int) string { return map[bool]string{true: "other"}[n == 3] })) {
				require.NoError(t, err)
				order = append(order, n)
			}
			return nil
		}).Wait(t.Context()))
		require.Len(t, order, 3)
	}, WithSlots(slot.NewLocalKeyed(1)))
}

// The sequence has an item a second, and each takes half of one.
func TestMapYieldsAResultBeforeItTakesAnotherItem(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		begin := time.Now()
		ticks := func(yield func(time.Duration) bool) {
			for yield(time.Since(begin)) {
				time.Sleep(time.Second)
			}
		}
		next := time.Duration(0)
		for tick := range Map(t.Context(), p, ticks, func(_ context.Context, tick time.Duration) (time.Duration, error) {
			time.Sleep(time.Second / 2)
			return tick, nil
		}, Window(8)) {
			require.Equal(t, next, tick)
			next += time.Second
			require.Equal(t, next, time.Since(begin), "when the sequence has its next item")
			if next == 10*time.Second {
				break
			}
		}
	})
}

func TestMapForgetsTheValueOfAnAttemptThatWasRetried(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 1, func(t *testing.T, p *Pool) {
			taken, attempts := 0, 0
			for n, err := range Map(t.Context(), p, numbers(1, &taken), func(context.Context, int) (int, error) {
				if attempts++; attempts == 1 {
					return 7, RetryAfter(time.Second, errBad)
				}
				panic("boom")
			}, order...) {
				require.Error(t, err)
				require.Zero(t, n)
			}
			require.Equal(t, 2, attempts)
		})
	})
}

func TestMapHasAWindowOfItemsInFlight(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 8, func(t *testing.T, p *Pool) {
			taken, yielded := 0, 0
			var running, most atomic.Int64
			for range Map(t.Context(), p, numbers(1000, &taken), func(_ context.Context, n int) (int, error) {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Duration(n%7) * time.Millisecond)
				running.Add(-1)
				return n, nil
			}, append(order, Window(5))...) {
				require.LessOrEqual(t, taken-yielded, 5)
				yielded++
			}
			require.Equal(t, 1000, yielded)
			require.EqualValues(t, 5, most.Load(), "the window is used")
		})
	})
}

func TestTheWindowOfMapIsTwiceTheWorkersByDefault(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 3, func(t *testing.T, p *Pool) {
			taken := 0
			for range Map(t.Context(), p, numbers(100, &taken), func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				return 0, nil
			}, order...) {
				require.Equal(t, 6, taken)
				break
			}
		})
	})
}

func TestAWorkerNeverWaitsForTheLoopOfAMap(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 1, func(t *testing.T, p *Pool) {
			taken, first := 0, true
			var ran atomic.Int64
			for range Map(t.Context(), p, numbers(100, &taken), func(context.Context, int) (int, error) {
				time.Sleep(time.Millisecond)
				ran.Add(1)
				return 0, nil
			}, append(order, Window(10))...) {
				if first {
					time.Sleep(time.Second)
					require.EqualValues(t, 10, ran.Load(), "all in flight are done, although nobody took them")
					require.NoError(t, p.Submit(after(0, nil)).Wait(t.Context()), "the worker is free")
					first = false
				}
			}
		})
	})
}

func TestLeavingTheLoopOfAMapCancelsTheRestAndWaitsForIt(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 2, func(t *testing.T, p *Pool) {
			taken := 0
			var started, running atomic.Int64
			var cause atomic.Value
			loop := func(leave func()) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel() // what nobody cancels ends, and the test with it
				defer func() {
					_ = recover()
					require.Zero(t, running.Load(), "no job runs after the loop")
					require.EqualValues(t, 3, started.Load(), "what was queued never ran")
					require.Equal(t, ErrCanceled, cause.Load())
					started.Store(0)
				}()
				for n := range Map(ctx, p, numbers(100, &taken), func(ctx context.Context, n int) (int, error) {
					started.Add(1)
					running.Add(1)
					defer running.Add(-1)
					if n == 0 {
						time.Sleep(time.Second)
						return n, nil
					}
					<-ctx.Done()
					cause.Store(context.Cause(ctx))
					time.Sleep(time.Second) // it takes its time
					return n, ctx.Err()
				}, append(order, Window(10))...) {
					require.Zero(t, n)
					synctest.Wait()
					leave()
					break
				}
			}
			loop(func() {})
			loop(func() { panic("in the loop") })
		})
	})
}

func TestAnErrorOrAPanicIsThatItemsAlone(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 1, func(t *testing.T, p *Pool) { // which makes both orders one
			taken := 0
			var errs []error
			var values []int
			for n, err := range Map(t.Context(), p, numbers(4, &taken), func(_ context.Context, n int) (int, error) {
				switch n {
				case 1:
					return 11, errBad
				case 2:
					panic("boom")
				}
				return n, nil
			}, order...) {
				values, errs = append(values, n), append(errs, err)
			}
			require.Equal(t, []int{0, 11, 0, 3}, values)
			require.NoError(t, errs[0])
			require.Equal(t, errBad, errs[1])
			var panicked *PanicError
			require.ErrorAs(t, errs[2], &panicked)
			require.NoError(t, errs[3])
		})
	})
}

func TestTheEndOfTheContextEndsAMap(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 2, func(t *testing.T, p *Pool) {
			taken := 0
			gone := errors.New("gone")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, gone)
			defer cancel()
			good, bad := 0, 0
			for _, err := range Map(ctx, p, numbers(100, &taken), func(ctx context.Context, n int) (int, error) {
				return n, after(time.Second, nil)(ctx)
			}, append(order, Window(4))...) {
				if err == nil {
					good++
				} else {
					require.ErrorIs(t, err, gone)
					bad++
				}
			}
			require.Equal(t, 2, good)
			require.Equal(t, 6, taken)
			require.Equal(t, 4+1, bad, "what was in flight, and the cause at last")
		})
	})
}

func TestShutdownEndsAMapWithErrClosed(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		synctest.Test(t, func(t *testing.T) {
			p, err := New(2)
			require.NoError(t, err)
			taken := 0
			var last error
			for _, err := range Map(t.Context(), p, numbers(100, &taken), func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				return 0, nil
			}, append(order, Window(4))...) {
				if last = err; taken == 4 {
					require.NoError(t, p.Shutdown(t.Context()))
				}
			}
			require.ErrorIs(t, last, ErrClosed)
			require.Equal(t, 5, taken)
		})
	})
}

func TestAJobCanMapOverItsOwnPool(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		src := slot.NewLocal(1)
		withPool(t, 1, func(t *testing.T, p *Pool) {
			sum, taken := 0, 0
			require.NoError(t, p.Submit(func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, time.Minute) // one that waits for itself gives up
				defer cancel()
				for n, err := range Map(ctx, p, numbers(20, &taken), func(_ context.Context, n int) (int, error) {
					return n, nil
				}, order...) {
					require.NoError(t, err)
					sum += n
				}
				return nil
			}).Wait(t.Context()))
			require.Equal(t, 190, sum)
		}, WithSlots(src))
	})
}

func TestAnItemOfAMapCanLoseItsSlot(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		src := slottest.NewBreakable(slot.NewLocal(1))
		withPool(t, 1, func(t *testing.T, p *Pool) {
			taken := 0
			var errs []error
			for _, err := range Map(t.Context(), p, numbers(3, &taken), func(ctx context.Context, n int) (int, error) {
				if n == 1 {
					src.Expire("k")
				}
				return n, ctx.Err()
			}, append(order, Key("k"))...) {
				errs = append(errs, err)
			}
			require.NoError(t, errs[0])
			require.ErrorIs(t, errs[1], slot.ErrLost)
			require.NoError(t, errs[2])
		}, WithSlots(src))
	})
}

func TestTheItemsOfAMapHaveKeys(t *testing.T) {
	inBothOrders(t, func(t *testing.T, order []MapOption) {
		withPool(t, 2, func(t *testing.T, p *Pool) {
			keys := map[string]int{}
			tell := func(ctx context.Context, item string) (Info, error) {
				info, _ := FromContext(ctx)
				require.Equal(t, item[:1], info.Key)
				return info, nil
			}
			items := slices.Values([]string{"ab", "cd"})
			initial := KeyBy(func(item string) string { return item[:1] })
			for range 2 { // a Map can be ranged over again
				for info := range Map(t.Context(), p, items, tell, append(order, Name("n"), Key("all"), initial)...) {
					require.Equal(t, "n", info.Name)
					keys[info.Key]++
				}
			}
			require.Equal(t, map[string]int{"a": 2, "c": 2}, keys)
		})
	})
}

func TestABadMapYieldsOneError(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		taken := 0
		seq, fn := numbers(3, &taken), func(context.Context, int) (int, error) { return 0, nil }
		for _, bad := range []iter.Seq2[int, error]{
			Map(t.Context(), nil, seq, fn),
			Map(t.Context(), p, nil, fn),
			Map[int, int](t.Context(), p, seq, nil),
			Map(t.Context(), p, seq, fn, Window(0)),
			Map(t.Context(), p, seq, fn, KeyBy(func(string) string { return "" })),
			Map(t.Context(), p, seq, fn, nil),
			Map2(t.Context(), p, nil, fn),
			Map2[int, int](t.Context(), p, withoutErrors(seq), nil),
		} {
			yielded := 0
			for _, err := range bad {
				require.Error(t, err)
				yielded++
			}
			require.Equal(t, 1, yielded)
		}
		require.Zero(t, taken)
	})
}

func TestAnItemOfAMapCostsFourAllocations(t *testing.T) {
	p, err := New(1)
	require.NoError(t, err)
	defer p.Shutdown(context.Background())
	taken := 0
	const items = 2000
	perLoop := testing.AllocsPerRun(3, func() {
		for range Map(context.Background(), p, numbers(items, &taken), func(_ context.Context, n int) (int, error) {
			return n, nil
		}) {
		}
	})
	require.LessOrEqual(t, perLoop/items, 4.0, "the task, and what a wait for it needs")
}
