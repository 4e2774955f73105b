package dashboard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestTheTimeOfAJobIsAccountedForWithoutGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		defer src.Close(t.Context())
		b := newBench(t, 2, nil, pool.WithSlots(src))
		b.Submit(sleeps(3*time.Second), pool.Key("k"))
		synctest.Wait()
		start := time.Now()
		job := times(after(4*time.Second, pool.RetryAfter(5*time.Second, errTest)), after(6*time.Second, errTest))
		task := b.Submit(job, pool.Key("k"), pool.Name("slow"), pool.After(time.Second))
		require.Error(t, task.Wait(t.Context()))

		slow := b.state(t, "").Slow
		require.Len(t, slow, 2)
		require.True(t, start.Add(18*time.Second).Equal(slow[0].At))
		slow[0].At = time.Time{}
		require.Equal(t, slowLine{
			Name: "slow", Key: "k", Attempt: 2, Error: errTest.Error(),
			TotalMS: 18000, DelayedMS: 6000, SlotMS: 2000, RunMS: 10000,
		}, slow[0])
	})
}

// Whatever jobs do, the recorder has counted what the pool has, nothing runs or waits
// at the end, and the parts of each job add up to its time.
func TestTheRecorderCountsWhatThePoolCounts(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("BERTH_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	for i := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("run it again with BERTH_SEED=%d", seed+i)
				}
			}()
			randomJobs(t, rand.New(rand.NewPCG(seed+i, 0)))
		})
	}
}

func randomJobs(t *testing.T, r *rand.Rand) {
	src := slottest.NewBreakable(slot.NewLocalKeyed(2))
	defer src.Close(t.Context())
	b := newBench(t, 1+r.IntN(4), []Option{WithHistory(time.Hour), WithKept(1000)}, pool.WithSlots(src), pool.WithQueue(3))
	for range 100 {
		key := fmt.Sprint("key", r.IntN(4))
		switch r.IntN(20) {
		case 0:
			src.Expire(key)
		case 1:
			src.Break()
			time.Sleep(time.Second)
			src.Heal()
		}
		task, err := b.TrySubmit(randomJob(r), pool.Key(key), pool.Priority(r.IntN(2)), pool.After(time.Duration(r.IntN(2))*time.Second))
		if err == nil && r.IntN(10) == 0 {
			task.Cancel()
		}
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	}
	_ = b.Shutdown(t.Context())
	s := b.state(t, "")
	stats := b.Stats()
	require.EqualValues(t, stats.Finished, total(s.History.Done))
	require.EqualValues(t, stats.Failed, total(s.History.Failed))
	require.EqualValues(t, stats.Retries, total(s.History.Retried))
	require.EqualValues(t, stats.LostSlots, total(s.History.Lost))
	require.Zero(t, b.rec.history.busy, "jobs that run")
	require.Zero(t, b.rec.history.waiting, "jobs that wait")
	require.Empty(t, b.rec.running.keys)
	require.NotEmpty(t, s.Slow)
	for _, j := range s.Slow {
		require.InDelta(t, j.TotalMS, j.WorkerMS+j.PlaceMS+j.SlotMS+j.EngineMS+j.DelayedMS+j.RunMS, 0.001)
	}
}

// randomJob returns one that fails, is retried, is put off or succeeds.
func randomJob(r *rand.Rand) pool.Job {
	d, once, end := time.Duration(r.IntN(400))*time.Millisecond, r.IntN(6), error(nil)
	if r.IntN(5) == 0 {
		end = errTest
	}
	n := 0
	return func(ctx context.Context) error {
		n++
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		switch {
		case n == 1 && once == 0:
			return pool.RetryAfter(time.Second, errTest)
		case n == 1 && once == 1:
			return pool.NotYet(time.Second, nil)
		case n == 1 && once == 2:
			panic("a job that panics")
		}
		return end
	}
}

func total(counts []int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func TestALossNamesTheJobThatRanUnderTheSlot(t *testing.T) {
	for name, long := range map[string]bool{"that goes on": true, "that ends at once": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slottest.NewBreakable(slot.NewLocalKeyed(1))
				defer src.Close(t.Context())
				b := newBench(t, 2, nil, pool.WithSlots(src))
				job := func(ctx context.Context) error {
					<-ctx.Done()
					if long {
						time.Sleep(time.Second)
					}
					return context.Cause(ctx)
				}
				b.Submit(sleeps(time.Hour), pool.Key("other"))
				task := b.Submit(job, pool.Key("k"), pool.Name("victim"))
				synctest.Wait()
				src.Expire("k")
				require.ErrorIs(t, task.Wait(t.Context()), slot.ErrLost)
				synctest.Wait()
				losses := b.state(t, "").Losses
				require.Len(t, losses, 1)
				require.Equal(t, slotLost, losses[0].What)
				require.Equal(t, "victim", losses[0].Name)
				require.Equal(t, "k", losses[0].Key)
				require.Equal(t, 1, losses[0].Attempt)
				require.EqualValues(t, 1, b.state(t, "").Slots.Lost)
			})
		})
	}
}

func TestAJobThatIgnoresTheEndOfItsContextIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		defer src.Close(t.Context())
		b := newBench(t, 1, nil, pool.WithSlots(src), pool.WithGrace(time.Second))
		b.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(5 * time.Second)
			return nil
		}, pool.Key("k"))
		synctest.Wait()
		src.Expire("k")
		time.Sleep(3 * time.Second)
		losses := b.state(t, "").Losses
		require.Len(t, losses, 2)
		require.Equal(t, jobOverran, losses[0].What)
		require.Equal(t, "k", losses[0].SlotKey)
	})
}

func TestRetriesAndFailuresSayWhatWentWrongAndWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		job := times(after(0, pool.RetryAfter(time.Second, errTest)), after(0, pool.NotYet(time.Minute, nil)), after(0, errors.New("for good")))
		require.Error(t, b.Submit(job, pool.Key("k"), pool.Name("n")).Wait(t.Context()))
		b.Submit(sleeps(time.Hour))
		dropped := b.Submit(nothing)
		dropped.Cancel()
		synctest.Wait()

		s := b.state(t, "")
		require.Len(t, s.Retried, 2)
		require.Equal(t, jobPutOff, s.Retried[0].What)
		require.EqualValues(t, 60000, s.Retried[0].DelayMS)
		require.Equal(t, jobRetried, s.Retried[1].What)
		require.Equal(t, []any{"n", "k", 1, 1000.0, errTest.Error()}, []any{s.Retried[1].Name, s.Retried[1].Key, s.Retried[1].Attempt, s.Retried[1].DelayMS, s.Retried[1].Error})
		require.Len(t, s.Failures, 2)
		require.Equal(t, jobDropped, s.Failures[0].What)
		require.Equal(t, jobFailed, s.Failures[1].What)
		require.Equal(t, "for good", s.Failures[1].Error)
	})
}

// An engine that is away refuses each claim, several times a second; and a claim that
// is given up because its job has gone has not failed.
func TestClaimsThatFailAloneAreFailuresAndTheSameOneIsShownOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		defer src.Close(t.Context())
		b := newBench(t, 2, nil, pool.WithSlots(src))
		b.Submit(sleeps(time.Minute), pool.Key("k"))
		synctest.Wait()
		waits := b.Submit(nothing, pool.Key("k"))
		time.Sleep(time.Second)
		waits.Cancel()
		time.Sleep(time.Second)
		require.Len(t, b.state(t, "").Failures, 1, "the task that was cancelled")

		src.Break()
		for _, key := range []string{"a", "b"} {
			b.Submit(nothing, pool.Key(key))
		}
		time.Sleep(20 * time.Second)
		failures := b.state(t, "").Failures
		require.Len(t, failures, 4, "the job whose slot was lost, too")
		for i, f := range failures[:2] {
			require.Equal(t, noClaim, f.What, i)
			require.Greater(t, f.Times, 10, i)
		}
		require.EqualValues(t, 2, b.state(t, "").Waits.Engine)
		src.Heal()
	})
}

// What is kept has the same size after a thousand jobs and after ten thousand.
func TestAPoolThatRunsForeverNeedsNoMoreMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4, []Option{WithKept(7)})
		for i := range 2000 {
			_ = b.Go(times(after(time.Millisecond, pool.RetryAfter(time.Millisecond, errTest)), after(time.Duration(i)*time.Millisecond, errTest)),
				pool.Key(fmt.Sprint(i)))
		}
		require.Error(t, b.Pool.Wait(t.Context()))
		for range 100 {
			b.rec.overrun(t.Context(), pool.JobEvent{At: time.Now()})
			b.rec.lost(pool.SlotEvent{At: time.Now(), Slot: lostSlot{}})
		}
		p := &b.rec.past
		require.Len(t, p.failures.all, 7)
		require.Len(t, p.retries.all, 7)
		require.Len(t, p.losses.all, 7)
		for _, part := range p.slowest.parts {
			require.LessOrEqual(t, len(part.all), 7)
			require.LessOrEqual(t, cap(part.all), 16)
		}
		require.Empty(t, p.running.keys)
		s := b.state(t, "")
		require.Len(t, s.Slow, 7)
		require.Len(t, s.History.Busy, intervals)
	})
}

// Slots are of anybody's types.
func TestALossOfASlotThatCannotBeComparedHarmsNothing(t *testing.T) {
	rec := newRecorder(t)
	var word any
	e := pool.JobEvent{At: time.Now(), Submitted: time.Now(), State: &word}
	rec.submitted(t.Context(), e)
	rec.start(t.Context(), pool.StartEvent{JobEvent: e, Slot: lostSlot{}})
	rec.lost(pool.SlotEvent{Key: "k", At: time.Now(), Slot: lostSlot{}})
	require.Equal(t, "k", rec.losses.newestFirst()[0].slotKey)
}

// lostSlot is one that cannot be compared.
type lostSlot struct {
	slot.Slot
	_ []int
}

func (lostSlot) Context() context.Context { return context.Background() }

func TestTheSlowestJobsAreThoseOfTheLastWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, []Option{WithHistory(time.Minute), WithKept(2)})
		for _, d := range []time.Duration{3, 9, 5} {
			require.NoError(t, b.Submit(sleeps(d*time.Second)).Wait(t.Context()))
		}
		slow := b.state(t, "").Slow
		require.Len(t, slow, 2)
		require.Equal(t, []float64{9000, 5000}, []float64{slow[0].TotalMS, slow[1].TotalMS})
		time.Sleep(43 * time.Second)
		require.Len(t, b.state(t, "").Slow, 2, "a minute has not passed")
		time.Sleep(30 * time.Second)
		require.Empty(t, b.state(t, "").Slow)
		require.Zero(t, total(b.state(t, "").History.Done))
	})
}

func TestWhatRunsIsShownLongestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 100, nil)
		for i := range 20 {
			b.Submit(sleeps(time.Hour), pool.Name(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		s := b.state(t, "")
		require.Len(t, s.Runs, mostRunning)
		require.Equal(t, "0", s.Runs[0].Name)
		require.Equal(t, "1", s.Runs[1].Name)
		require.EqualValues(t, 20, s.Running)
	})
}

func TestTextsAreShownAsTheRedactionMakesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hide := func(kind Kind, text string) string {
			if kind == KindError {
				panic("a redaction that panics")
			}
			return string(kind) + " of " + strconv.Itoa(len(text)) + " bytes"
		}
		src := slot.NewLocalKeyed(1)
		defer src.Close(t.Context())
		b := newBench(t, 1, []Option{WithRedaction(hide)}, pool.WithSlots(src), pool.WithSlotKey(func(string) string { return "pw" }))
		require.Error(t, b.Submit(after(0, errTest), pool.Key("secret"), pool.Name("name")).Wait(t.Context()))
		b.Submit(sleeps(time.Hour), pool.Key("secret"), pool.Name("name"))
		synctest.Wait()
		b.Submit(nothing, pool.Key("secret"), pool.Name("name"))

		s := b.state(t, "?q=KEY+OF+6")
		const key, name, slotKey = "key of 6 bytes", "name of 4 bytes", "slot key of 2 bytes"
		require.Len(t, s.Lanes.Rows, 1, "it is what is shown of a key that is looked for")
		require.Equal(t, []string{key, name, slotKey}, []string{s.Lanes.Rows[0].Key, s.Lanes.Rows[0].Name, s.Lanes.Rows[0].SlotKey})
		require.Equal(t, []string{key, name, slotKey}, []string{s.Runs[0].Key, s.Runs[0].Name, s.Runs[0].SlotKey})
		require.Equal(t, []string{key, name}, []string{s.Slow[0].Key, s.Slow[0].Name})
		require.Equal(t, []string{key, name, slotKey}, []string{s.Failures[0].Key, s.Failures[0].Name, s.Failures[0].SlotKey})
		require.Equal(t, "(the function of WithRedaction panicked)", s.Failures[0].Error)
		require.Empty(t, b.state(t, "?q=secret").Lanes.Rows)
	})
}

type panics struct{}

func (panics) Error() string { panic("an error that panics") }

func TestAnErrorThatPanicsHarmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		require.Error(t, b.Submit(after(0, panics{})).Wait(t.Context()))
		require.Equal(t, "(its Error method panicked)", b.state(t, "").Failures[0].Error)
		require.Zero(t, b.Stats().HookPanics)
	})
}

func TestOptionsThatMakeNoSenseAreErrors(t *testing.T) {
	for want, opt := range map[string]Option{
		"dashboard: option 1 is nil":                                  nil,
		"dashboard: WithHistory: 59s is not from 1m0s to 24h0m0s":     WithHistory(59 * time.Second),
		"dashboard: WithHistory: 25h0m0s is not from 1m0s to 24h0m0s": WithHistory(25 * time.Hour),
		"dashboard: WithKept: 0 is not from 1 to 1000":                WithKept(0),
		"dashboard: WithKept: 1001 is not from 1 to 1000":             WithKept(1001),
		"dashboard: WithRedaction: the function is nil":               WithRedaction(nil),
	} {
		_, err := NewRecorder(opt)
		require.EqualError(t, err, want)
	}
}

// What a recorder adds to a job that does nothing.
func BenchmarkRecorder(b *testing.B) {
	rec, err := NewRecorder()
	require.NoError(b, err)
	for name, hooks := range map[string]pool.Hooks{
		"no hooks":    {},
		"empty hooks": {Finish: func(context.Context, pool.FinishEvent) {}},
		"recorder":    rec.Hooks(),
	} {
		b.Run(name, func(b *testing.B) {
			p, err := pool.New(8, pool.WithHooks(hooks))
			require.NoError(b, err)
			for b.Loop() {
				_ = p.Go(nothing)
			}
			require.NoError(b, p.Shutdown(context.Background()))
		})
	}
}
