package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// This file walks the machine that is drawn at taskState, arrow by arrow, and says
// what State tells meanwhile.

// requireState requires where a task is, as its goroutines see it and as State
// tells it.
func requireState(t *testing.T, task *Task, want taskState, told State) {
	t.Helper()
	require.Equal(t, want.String(), stateOf(task.word.Load()).String())
	require.Equal(t, told.String(), task.State().String())
}

func TestAPendingTaskRunsWhenAWorkerTakesItAndThenIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		blocker := p.Submit(sleeps(time.Second))
		task := p.Submit(sleeps(time.Second))
		synctest.Wait()
		requireState(t, task, statePending, StateQueued)
		require.NoError(t, blocker.Wait(t.Context()))
		synctest.Wait()
		requireState(t, task, stateRunning, StateRunning)
		require.False(t, task.take(), "it is taken once for each attempt")
		require.NoError(t, task.Wait(t.Context()))
		requireState(t, task, stateDone, StateDone)
		finish(t, p)
	})
}

func TestAPendingTaskRunsWhenAJobThatWaitsForItTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			var child *Task
			child = p.SubmitContext(ctx, func(context.Context) error {
				requireState(t, child, stateRunning, StateRunning)
				return nil
			})
			requireState(t, child, statePending, StateQueued)
			err := child.Wait(ctx)
			requireState(t, child, stateDone, StateDone)
			return err
		}).Wait(t.Context()))
		finish(t, p)
	})
}

func TestARunningTaskIsPendingWhileItBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		attempts := 0
		task := p.Submit(func(context.Context) error {
			if attempts++; attempts == 1 {
				return RetryAfter(time.Second, errTest)
			}
			return nil
		})
		synctest.Wait()
		requireState(t, task, statePending, StateWaiting)
		before := task.word.Load()
		blocker := p.Submit(sleeps(2 * time.Second))
		time.Sleep(time.Second)
		synctest.Wait()
		requireState(t, task, statePending, StateQueued)
		require.NoError(t, blocker.Wait(t.Context()))
		require.NoError(t, task.Wait(t.Context()))
		requireState(t, task, stateDone, StateDone)
		require.Equal(t, before&^stateMask+takenOne, task.word.Load()&^stateMask, "one attempt can be told from the next")
		finish(t, p)
	})
}

func TestAPendingTaskThatWillNotRunIsDone(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *Pool, leave context.CancelFunc, task *Task){
		"as it is cancelled":                func(_ *testing.T, _ *Pool, _ context.CancelFunc, task *Task) { task.Cancel() },
		"as its submitter's context ends":   func(_ *testing.T, _ *Pool, leave context.CancelFunc, _ *Task) { leave() },
		"as the pool is shut down by force": shutNow,
	} {
		for place, opts := range map[string][]JobOption{"in its lane": nil, "until its time": {After(time.Hour)}} {
			t.Run(name+" while it waits "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, 1)
					p.Submit(sleeps(time.Hour))
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					task := p.SubmitContext(ctx, func(context.Context) error { t.Error("it ran"); return nil }, opts...)
					synctest.Wait()
					require.True(t, task.isPending())
					end(t, p, leave, task)
					require.Error(t, task.Wait(t.Context()))
					requireState(t, task, stateDone, StateDone)
				})
			})
		}
	}
}

func shutNow(t *testing.T, p *Pool, _ context.CancelFunc, _ *Task) {
	now, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Shutdown(now), context.Canceled)
}

func TestATaskThatIsRefusedWasPendingAndIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(string) error { return slot.ErrClosed })
		p := newPool(t, 1, WithSlots(src))
		task := p.Submit(nothing)
		require.ErrorIs(t, task.Wait(t.Context()), slot.ErrClosed)
		requireState(t, task, stateDone, StateDone)

		closed := newPool(t, 1)
		finish(t, closed)
		requireState(t, closed.Submit(nothing), stateDone, StateDone)
	})
}

func TestAStateThatDoesNotExistIsABug(t *testing.T) {
	require.PanicsWithValue(t, "bug: a task in an unknown state", func() { _ = taskState(3).String() })
	require.PanicsWithValue(t, "bug: a task in an unknown state", func() { _ = State(4).String() })
}
