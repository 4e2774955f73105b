package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// after returns a job that takes d, unless its context ends, and returns err.
func after(d time.Duration, err error) Job {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestAGroupWaitsForItsOwnTasksOnly(t *testing.T) {
	withPool(t, 3, func(t *testing.T, p *Pool) {
		begin := time.Now()
		p.Submit(after(time.Hour, nil))
		g := p.Group(t.Context())
		g.Submit(after(time.Second, nil))
		g.Submit(after(2*time.Second, nil))
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
}

func TestTheErrorsOfAGroupAreJoinedInTheOrderOfItsSubmits(t *testing.T) {
	withPool(t, 3, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context())
		g.Submit(after(3*time.Second, errors.New("first")))
		g.Submit(after(time.Second, nil))
		g.Submit(after(2*time.Second, errors.New("third")))
		g.Submit(nil)
		require.EqualError(t, g.Wait(t.Context()), "first\nthird\n"+ErrNilJob.Error())
	})
}

func TestTheFirstErrorOfAGroupCanCancelTheRest(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		begin := time.Now()
		g := p.Group(t.Context(), CancelOnError())
		var cause error
		running := g.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return fmt.Errorf("reading: %w", ctx.Err())
		})
		g.Submit(after(time.Second, errBad))
		queued := g.Submit(func(context.Context) error {
			t.Error("a task ran after the group was cancelled")
			return nil
		})
		err := g.Wait(t.Context())
		require.Equal(t, time.Second, time.Since(begin))
		require.EqualError(t, err, "bad", "what only says that the group was cancelled is left out")
		require.ErrorIs(t, cause, errBad)
		require.ErrorIs(t, running.Err(), errBad)
		require.ErrorIs(t, queued.Err(), context.Canceled)
		require.ErrorIs(t, g.Submit(after(0, nil)).Err(), errBad, "later submits are refused")
	})
}

func TestTheFirstErrorOfAGroupEndsItsQueuedTasksAtOnce(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context(), CancelOnError())
		g.Submit(after(time.Second, errBad))
		p.Submit(after(time.Hour, nil)) // somebody else's, before the next one
		queued := g.Submit(after(0, nil))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, StateDone, queued.State())
		require.EqualError(t, g.Wait(t.Context()), "bad")
	})
}

func TestASecondErrorOfItsOwnIsNotLeftOut(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context(), CancelOnError())
		g.Submit(after(time.Second, errBad))
		g.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("cannot clean up")
		})
		require.ErrorContains(t, g.Wait(t.Context()), "cannot clean up")
	})
}

func TestAnAttemptThatIsRetriedCancelsNoGroup(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context(), CancelOnError())
		attempts := 0
		g.Submit(func(context.Context) error {
			if attempts++; attempts < 3 {
				return RetryAfter(time.Second, errBad)
			}
			return nil
		})
		g.Submit(after(time.Minute, nil))
		require.NoError(t, g.Wait(t.Context()))
	})
}

func TestWithoutCancelOnErrorTheOthersGoOn(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context())
		g.Submit(after(time.Second, errBad))
		other := g.Submit(after(time.Minute, nil))
		require.ErrorIs(t, g.Wait(t.Context()), errBad)
		require.NoError(t, other.Err())
		require.Equal(t, StateDone, other.State())
	})
}

func TestAWaitForAGroupThatEndsEarlyLetsItsTasksGoOn(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context())
		g.Submit(after(time.Minute, errBad))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, g.Wait(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, g.Wait(t.Context()), errBad)
		require.Error(t, g.Submit(after(0, nil)).Err(), "a group is used for one round")
	})
}

func TestCancellingAGroupEndsAllOfIt(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context())
		running, queued := g.Submit(after(time.Hour, nil)), g.Submit(after(time.Hour, nil))
		synctest.Wait()
		g.Cancel()
		require.Equal(t, StateDone, queued.State())
		require.ErrorIs(t, g.Wait(t.Context()), ErrCanceled)
		require.ErrorIs(t, running.Err(), ErrCanceled)
		require.ErrorIs(t, g.Submit(after(0, nil)).Err(), ErrCanceled)
		require.EqualValues(t, 2, p.Stats().Submitted, "the last one was refused")
	})
}

func TestAJobCanWaitForAGroupOfItsOwnPool(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		ran := 0
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			g := p.Group(ctx)
			for range 5 {
				g.Submit(func(context.Context) error {
					ran++
					return nil
				})
			}
			return g.Wait(ctx)
		}).Wait(t.Context()))
		require.Equal(t, 5, ran)
	})
}

func TestAGroupWaitsForWhatItsTasksSubmit(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		begin := time.Now()
		g := p.Group(t.Context())
		var walk func(depth int) Job
		walk = func(depth int) Job {
			return func(context.Context) error {
				time.Sleep(time.Second)
				if depth > 0 {
					g.Submit(walk(depth - 1))
				}
				return nil
			}
		}
		g.Submit(walk(4))
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

func TestAGroupForgetsNothingWhileItIsWaitedFor(t *testing.T) {
	withPool(t, 4, func(t *testing.T, p *Pool) {
		begin := time.Now()
		g := p.Group(t.Context())
		for range 60 {
			g.Submit(after(0, nil))
		}
		g.Submit(func(context.Context) error {
			time.Sleep(time.Second) // Wait has come this far
			for range 10 {
				g.Submit(after(0, nil))
			}
			g.Submit(after(time.Minute, nil))
			return nil
		})
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, time.Minute+time.Second, time.Since(begin))
	})
}

func TestAGroupCanBeCancelledWhileTasksAreSubmitted(t *testing.T) {
	for round := range 20 {
		p, err := New(2, WithQueue(4))
		require.NoError(t, err)
		g := p.Group(t.Context(), CancelOnError())
		var submitters sync.WaitGroup
		var mu sync.Mutex
		var tasks []*Task
		for i := range 4 {
			submitters.Go(func() {
				for n := range 50 {
					task := g.Submit(func(context.Context) error {
						if i == 0 && n == round {
							return errBad
						}
						return nil
					})
					mu.Lock()
					tasks = append(tasks, task)
					mu.Unlock()
				}
			})
		}
		submitters.Wait()
		require.EqualError(t, g.Wait(t.Context()), "bad")
		for _, task := range tasks {
			require.Equal(t, StateDone, task.State())
		}
		require.NoError(t, p.Shutdown(t.Context()))
		s := p.Stats()
		require.Equal(t, s.Submitted, s.Finished)
	}
}

func TestAGroupForgetsTasksThatHaveSucceeded(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		g := p.Group(t.Context())
		for i := range 10_000 {
			var err error
			if i%5_000 == 0 {
				err = errBad
			}
			require.Equal(t, err, g.Submit(func(context.Context) error { return err }).Wait(t.Context()))
			require.LessOrEqual(t, len(g.tasks), 64)
		}
		require.EqualError(t, g.Wait(t.Context()), "bad\nbad")
	})
}
