package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// This file has claims that the source tells of. The fake of these tests is a
// slot.Joiner, so that all tests with it are about such claims too; the first
// test below runs them all once more with claims that are waited for.

// waitVariable names the environment variable that hides the joiner.
const waitVariable = "BERTH_TEST_CLAIMS_WAIT"

func TestPoolKeepsItsPromisesWithASourceThatTellsNothing(t *testing.T) {
	if os.Getenv(waitVariable) != "" {
		t.Skip("this is that run")
	}
	cmd := exec.Command(os.Args[0], "-test.count=1", "-test.short="+fmt.Sprint(testing.Short()))
	cmd.Env = append(os.Environ(), waitVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// tellsOnly skips a test in the run with claims that are waited for.
func tellsOnly(t *testing.T) {
	if os.Getenv(waitVariable) != "" {
		t.Skip("claims are waited for")
	}
}

// Join tells of the slot before it returns where one is free.
func (f *fakeSource) Join(ctx context.Context, key string, c slot.Claimant) (slot.Place, error) {
	f.mu.Lock()
	f.joined++
	f.mu.Unlock()
	waits, leave := context.WithCancelCause(context.Background())
	place := fakePlace{leave}
	ticket, err := f.Enqueue(ctx, key)
	switch {
	case errors.Is(err, slot.ErrUnavailable):
		c.Refused(err)
		return place, nil
	case err != nil:
		return nil, err
	}
	if s, ok := ticket.Slot(); ok {
		c.Granted(s)
		return place, nil
	}
	go func() {
		if s, err := ticket.Wait(waits); err != nil {
			c.Refused(err)
		} else {
			c.Granted(s)
		}
	}()
	return place, nil
}

type fakePlace struct{ leave context.CancelCauseFunc }

func (p fakePlace) Leave() { p.leave(slot.ErrClosed) }

func (f *fakeSource) joins() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.joined
}

// contended returns a fake whose slot of "" is held, and what gives it back.
func contended(t *testing.T) (src *fakeSource, release func()) {
	src = newFake(1)
	src.limit = 8 // so many claims may be in line
	taken, err := src.Enqueue(t.Context(), "")
	require.NoError(t, err)
	held, ok := taken.Slot()
	require.True(t, ok)
	return src, func() { require.NoError(t, held.Release()) }
}

func TestAContendedKeyIsLeftToTheSource(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		src, release := contended(t)
		p := newPool(t, 8, WithSlots(src), WithReuse(0))
		for range 8 {
			require.NoError(t, p.Go(nothing))
			synctest.Wait()
		}
		require.Equal(t, 8, p.Stats().InLine)
		require.Equal(t, 7, src.joins(), "once a claim had to wait the others are joined")
		release()
		require.NoError(t, p.Wait(t.Context()))
		finish(t, p)
	})
}

func TestJoinedClaimsInLineAreBounded(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		src, release := contended(t)
		p := newPool(t, 8, WithSlots(src), WithReuse(0), WithMaxClaims(3))
		for range 10 {
			require.NoError(t, p.Go(nothing))
			synctest.Wait()
		}
		require.Equal(t, 3, p.Stats().InLine)
		require.Equal(t, 2, src.joins())
		release()
		require.NoError(t, p.Wait(t.Context()))
		finish(t, p)
	})
}

func TestAForcedShutdownLeavesJoinedClaimsAtOnce(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		src, release := contended(t)
		defer release()
		p := newPool(t, 2, WithSlots(src))
		for range 2 {
			p.Submit(nothing)
			synctest.Wait()
		}
		require.Equal(t, 1, src.joins())
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.Canceled)
		require.NoError(t, p.Shutdown(t.Context()))
		require.Zero(t, time.Since(start))
		requireBalance(t, p)
	})
}

// Join is not to wait for the engine; a source in which it does all the same
// keeps one worker.
func TestAJoinThatHangsHoldsUpNoOtherKey(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		src := joining(func(slot.Claimant) (slot.Place, error) { <-hangs; return nil, permanentError{} })
		p := newPool(t, 2, WithSlots(src))
		for range 2 {
			p.Submit(nothing)
			synctest.Wait()
		}
		src.free.Store(true)
		require.NoError(t, p.Submit(nothing, Key("free")).Wait(t.Context()))
		close(hangs)
		finish(t, p)
	})
}

func TestSomebodyWhoWantsToKnowOfTheLineHasEveryClaimAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, release := contended(t)
		var queued atomic.Int32
		p := newPool(t, 1, WithSlots(src), WithReuse(0), WithHooks(Hooks{Queued: func(SlotEvent) { queued.Add(1) }}))
		for range 5 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		synctest.Wait()
		release()
		require.NoError(t, p.Wait(t.Context()))
		require.Zero(t, src.joins())
		require.Positive(t, queued.Load())
		finish(t, p)
	})
}

// A joinSource does in Join as its function says. Its first Enqueue waits, so
// that the next claims are joined once the pool knows of it; the others fail.
type joinSource struct {
	join  func(c slot.Claimant) (slot.Place, error)
	asked atomic.Bool
	free  atomic.Bool // Enqueue is granted a slot
}

func joining(join func(c slot.Claimant) (slot.Place, error)) *joinSource {
	return &joinSource{join: join}
}

func (s *joinSource) Join(_ context.Context, _ string, c slot.Claimant) (slot.Place, error) {
	return s.join(c)
}

func (s *joinSource) Enqueue(context.Context, string) (slot.Ticket, error) {
	if s.free.Load() {
		return freeTicket{}, nil
	}
	if s.asked.Swap(true) {
		return nil, slot.ErrUnavailable
	}
	return newWaitTicket(), nil
}

// Limit lets many claims be in line.
func (s *joinSource) Limit(string) (int, bool) { return 64, true }

func (s *joinSource) Close(context.Context) error { return nil }

// A waitTicket is never granted.
type waitTicket struct {
	ctx   context.Context
	leave context.CancelCauseFunc
}

func newWaitTicket() slot.Ticket {
	t := &waitTicket{}
	t.ctx, t.leave = context.WithCancelCause(context.Background())
	return t
}

func (*waitTicket) Slot() (slot.Slot, bool) { return nil, false }
func (t *waitTicket) Close() error          { t.leave(slot.ErrClosed); return nil }
func (t *waitTicket) Wait(ctx context.Context) (slot.Slot, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	}
}

type freeTicket struct{ slot.Ticket }

func (freeTicket) Slot() (slot.Slot, bool) { return freeSlot{}, true }

type noPlace struct{}

func (noPlace) Leave() {}

func TestASourceThatPanicsInJoinFailsTheJobs(t *testing.T) {
	tellsOnly(t)
	for name, join := range map[string]func(slot.Claimant) (slot.Place, error){
		"at once":                 func(slot.Claimant) (slot.Place, error) { panic("in the source") },
		"after it told of an end": func(c slot.Claimant) (slot.Place, error) { c.Refused(permanentError{}); panic("in the source") },
		"in the slot": func(c slot.Claimant) (slot.Place, error) {
			c.Granted(panickingSlot{})
			return noPlace{}, nil
		},
		"nothing":           func(slot.Claimant) (slot.Place, error) { return nil, nil },
		"a slot that is no": func(c slot.Claimant) (slot.Place, error) { c.Granted(nil); return noPlace{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, 2, WithSlots(joining(join)), FailAfter(time.Second))
				var tasks []*Task
				for range 2 {
					tasks = append(tasks, p.Submit(nothing))
					synctest.Wait()
				}
				for _, task := range tasks {
					require.Error(t, task.Wait(t.Context()))
				}
				finish(t, p)
			})
		})
	}
}

func TestAClaimThatCannotBeJoinedForNowIsMadeAgain(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		joins := 0
		src := joining(func(c slot.Claimant) (slot.Place, error) {
			if joins++; joins < 5 {
				return nil, slot.ErrUnavailable
			}
			c.Granted(freeSlot{})
			return noPlace{}, nil
		})
		p := newPool(t, 2, WithSlots(src))
		var tasks []*Task
		for range 2 {
			tasks = append(tasks, p.Submit(nothing))
			synctest.Wait()
		}
		for _, task := range tasks {
			require.NoError(t, task.Wait(t.Context()))
		}
		require.EqualValues(t, 4, p.Stats().FailedClaims)
		finish(t, p)
	})
}

type panickingSlot struct{ slot.Slot }

func (panickingSlot) Info() slot.Info { panic("in the source") }

func TestASlotWhoseSourcePanicsGoesBack(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		released := 0
		p := newPool(t, 2, WithSlots(joining(func(c slot.Claimant) (slot.Place, error) {
			c.Granted(returnable{panickingSlot{}, &released})
			return noPlace{}, nil
		})))
		a := p.Submit(nothing)
		synctest.Wait()
		b := p.Submit(nothing)
		require.ErrorIs(t, a.Wait(t.Context()), ErrSourcePanic)
		require.ErrorIs(t, b.Wait(t.Context()), ErrSourcePanic)
		require.Equal(t, 1, released)
		finish(t, p)
	})
}

type returnable struct {
	panickingSlot
	released *int
}

func (r returnable) Release() error { *r.released++; return nil }

func TestASlotWhoseContextPanicsIsLost(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2, WithSlots(joining(func(c slot.Claimant) (slot.Place, error) {
			c.Granted(contextless{})
			return noPlace{}, nil
		})))
		var cause error
		job := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		})
		synctest.Wait()
		p.Submit(nothing) // for it the second claim is made
		require.Error(t, job.Wait(t.Context()))
		require.ErrorIs(t, cause, slot.ErrLost)
		require.ErrorIs(t, cause, ErrSourcePanic)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = p.Shutdown(ctx) // the first claim waits for ever
	})
}

type contextless struct{ freeSlot }

func (contextless) Context() context.Context { panic("in the source") }

// A claim whose Join is under way when the pool ends is left once it is there.
func TestAJoinThatOutlivesThePoolIsLeft(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		left := make(chan struct{})
		p := newPool(t, 2, WithSlots(joining(func(c slot.Claimant) (slot.Place, error) {
			<-hangs
			return leaving{c, left}, nil
		})))
		for range 2 {
			p.Submit(nothing)
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		close(hangs)
		<-left
		require.NoError(t, p.Shutdown(t.Context()))
		requireBalance(t, p)
	})
}

type leaving struct {
	c    slot.Claimant
	left chan struct{}
}

func (l leaving) Leave() {
	close(l.left)
	l.c.Refused(slot.ErrClosed)
}

// The end of a claim that nobody needed says nothing about the jobs that have
// come meanwhile.
func TestAJobThatComesWhileAClaimIsLeftIsRun(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		leaves, left := make(chan struct{}), make(chan struct{})
		src := joining(func(c slot.Claimant) (slot.Place, error) { return slowLeaving{c, leaves, left}, nil })
		p := newPool(t, 2, WithSlots(src))
		a := p.Submit(nothing)
		synctest.Wait()
		b := p.Submit(nothing)
		synctest.Wait()
		require.Equal(t, 2, p.Stats().InLine)
		a.Cancel()
		b.Cancel()
		<-leaves
		src.free.Store(true)
		late := p.Submit(nothing)
		close(left)
		require.NoError(t, late.Wait(t.Context()))
		finish(t, p)
	})
}

type slowLeaving struct {
	c            slot.Claimant
	leaves, left chan struct{}
}

func (l slowLeaving) Leave() {
	close(l.leaves)
	<-l.left
	l.c.Refused(slot.ErrClosed)
}

func TestClaimsThatTheSourceTellsOfHaveNoGoroutine(t *testing.T) {
	tellsOnly(t)
	synctest.Test(t, func(t *testing.T) {
		claimants := make(chan slot.Claimant, 64) // workers join at once
		p := newPool(t, 64, WithSlots(joining(func(c slot.Claimant) (slot.Place, error) {
			claimants <- c
			return noPlace{}, nil
		})))
		for range 64 {
			require.NoError(t, p.Go(nothing))
			synctest.Wait()
		}
		require.Equal(t, 64, p.Stats().InLine)
		require.Equal(t, 1, goroutinesIn("(*hold).await"), "of the claim that was asked for")
		close(claimants)
		for c := range claimants {
			c.Granted(freeSlot{})
		}
		require.NoError(t, p.Wait(t.Context()))
		finish(t, p)
	})
}

// goroutinesIn returns how many goroutines are in a function of that name.
func goroutinesIn(name string) int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "."+name+"(")
}
