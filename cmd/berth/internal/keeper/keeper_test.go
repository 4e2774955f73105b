package keeper_test

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/slot"
)

const guard = 30 * time.Second

func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}

func TestACommandIsAskedItsGraceBeforeTheGuardAndKilledAtIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 3, newSlot(guard))
		w.job.Grace = seconds(12)
		w.tree.deaf = true
		w.start()
		require.Equal(t, keeper.Lost, w.outcome().Kind)
		require.Equal(t, []string{"18s ask", "30s kill"}, w.tree.history())
	})
}

func TestACommandWhoseSlotIsRenewedRunsOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 1, s)
		w.start()
		for range 100 {
			time.Sleep(7 * time.Second)
			s.renew(guard)
		}
		require.Empty(t, w.tree.history())
		require.False(t, s.isReleased())
		w.tree.ends(3)
		require.Equal(t, keeper.Outcome{Kind: keeper.Exited, Code: 3}, w.outcome())
		require.True(t, s.isReleased())
		require.Equal(t, []string{"BERTH_KEY=k", "BERTH_FENCE=7"}, w.env[len(w.env)-2:])
	})
}

func TestTheCommandIsToldOfItsOwnSlotAlone(t *testing.T) {
	t.Setenv("BERTH_KEY", "around")
	t.Setenv("BERTH_FENCE", "1")
	t.Setenv("BERTH_TEST_ELSE", "kept")
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1, &fakeSlot{ctx: context.Background()})
		w.start()
		synctest.Wait()
		w.tree.ends(0)
		w.outcome()
		require.Contains(t, w.env, "BERTH_KEY=k")
		require.NotContains(t, w.env, "BERTH_KEY=around")
		require.NotContains(t, w.env, "BERTH_FENCE=1")
		require.Contains(t, w.env, "BERTH_TEST_ELSE=kept")
	})
}

func TestTheGuardIsToldLongBeforeItPasses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 1, s)
		w.job.Grace = seconds(0)
		w.start()
		for range 60 {
			time.Sleep(5 * time.Second)
			s.renew(guard)
			synctest.Wait()
			w.mu.Lock()
			told := w.said[len(w.said)-1].Until
			w.mu.Unlock()
			require.GreaterOrEqual(t, time.Until(told), guard/4)
		}
		w.tree.ends(0)
		require.Equal(t, keeper.Exited, w.outcome().Kind)
	})
}

func TestALostSlotKillsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 3, s)
		w.tree.hard = 2
		w.start()
		time.Sleep(time.Second)
		s.end(slot.ErrLost)
		o := w.outcome()
		require.Equal(t, keeper.Lost, o.Kind)
		require.Contains(t, o.Reason, slot.ErrLost.Error())
		require.Equal(t, []string{"1s kill", "1.001s kill", "1.003s kill"}, w.tree.history())
	})
}

func TestTheSlotIsKeptUntilNothingOfTheCommandIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 2, s)
		w.tree.deaf = true
		w.tree.hard = 150 // kills that are in vain
		w.job.Grace = seconds(5)
		w.start()
		time.Sleep(time.Second)
		w.tree.ends(0)
		time.Sleep(10 * time.Second) // and a moment later all of it is killed
		require.False(t, s.isReleased())
		require.Contains(t, w.kinds(), keeper.Ending)
		require.Equal(t, keeper.Outcome{Kind: keeper.Exited}, w.outcome(), "the command ended by itself")
		require.True(t, s.isReleased())
		require.Equal(t, "1s ask", w.tree.history()[0])
		require.Equal(t, "6s kill", w.tree.history()[1])
		require.Contains(t, w.kinds(), keeper.Stubborn)
	})
}

func TestACommandThatNobodyWantsAnyMoreIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 3, s)
		w.start()
		time.Sleep(time.Second)
		close(w.orders)
		require.Equal(t, keeper.Outcome{Kind: keeper.Signaled, Signal: syscall.SIGTERM}, w.outcome())
		require.Equal(t, []string{"1s ask"}, w.tree.history())
		require.True(t, s.isReleased())
	})
}

// Nobody can continue it: so it would keep its slot for ever.
func TestAStoppedJobWhoseTerminalHasGoneIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(24 * time.Hour)
		w := newWorld(t, 1, s)
		w.start()
		synctest.Wait()
		w.hung.Store(true) // as with nohup: one that runs may go on
		time.Sleep(time.Minute)
		require.Empty(t, w.tree.history())
		w.hung.Store(false)
		w.tree.stops()
		time.Sleep(time.Minute + time.Second/2)
		require.Empty(t, w.tree.history())
		w.hung.Store(true)
		require.Equal(t, keeper.Signaled, w.outcome().Kind)
		require.Equal(t, []string{"2m1s ask"}, w.tree.history())
		require.True(t, s.isReleased())
	})
}

func TestASignalIsPassedOnUnlessTheCommandHasIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1, newSlot(time.Hour))
		w.start()
		synctest.Wait()
		w.orders <- keeper.Order{Signal: syscall.SIGTERM}
		w.orders <- keeper.Order{Signal: syscall.SIGINT, Shared: true}
		w.tree.ends(0)
		require.Equal(t, keeper.Exited, w.outcome().Kind)
		require.Equal(t, []string{"0s signal terminated"}, w.tree.history())
	})
}

func TestAGraceFitsIntoTheLeaseOrIsRefused(t *testing.T) {
	for _, tc := range []struct {
		lease, grace time.Duration // 0: none asked for
		asked        string
	}{
		{30 * time.Second, 0, "20s ask"},
		{15 * time.Second, 0, "10s ask"},
		{30 * time.Second, 15 * time.Second, "15s ask"},
		{30 * time.Second, 15001 * time.Millisecond, ""},
	} {
		inBubble(t, func(t *testing.T) {
			s := newSlot(tc.lease)
			w := newWorld(t, 1, s)
			if tc.grace > 0 {
				w.job.Grace = &tc.grace
			}
			w.start()
			o := w.outcome()
			if tc.asked == "" {
				require.Equal(t, keeper.Misused, o.Kind)
				require.Contains(t, o.Reason, "it can be 15s at most")
			} else {
				require.Equal(t, []string{tc.asked}, w.tree.history())
			}
			require.True(t, s.isReleased())
		})
	}
}

func TestWhatEndsAWaitIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer any
		change func(*keeper.Job)
		kind   keeper.Kind
	}{
		{"an engine that is away", errOutage, nil, keeper.NoEngine},
		{"a refusal", errRefusal, nil, keeper.NotGranted},
		{"a key that cannot be", slot.ErrKey, nil, keeper.Misused},
		{"too late", &fakeTicket{}, func(j *keeper.Job) { j.Timeout = seconds(5) }, keeper.NotGranted},
		{"none free", &fakeTicket{}, func(j *keeper.Job) { j.Timeout = seconds(0) }, keeper.NotGranted},
		{"no command", newSlotForever(), func(j *keeper.Job) { j.Command = []string{"no-such-command"} }, keeper.NotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, 1, tc.answer)
				if tc.change != nil {
					tc.change(&w.job)
				}
				w.start()
				o := w.outcome()
				require.Equal(t, tc.kind, o.Kind)
				require.NotEmpty(t, o.Reason)
				require.Empty(t, w.tree.history())
			})
		})
	}
}

func newSlotForever() *fakeSlot { return &fakeSlot{} }

func TestACommandThatCannotBeStartedGivesItsSlotBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSlot(guard)
		w := newWorld(t, 1, s)
		w.failed = fs.ErrPermission
		w.start()
		require.Equal(t, keeper.NotRun, w.outcome().Kind)
		require.True(t, s.isReleased())
	})
}

// Who has been in line joins it again, at the end; who found no engine is told, unless
// it wants to wait.
func TestAnEngineThatGoesAwayIsWaitedFor(t *testing.T) {
	for name, first := range map[string]any{
		"by who was in line":     &fakeTicket{fails: time.Minute, err: errOutage},
		"by who wants to wait":   errOutage,
		"by who lost more often": &fakeTicket{fails: 0, err: errOutage},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, 1, first, errOutage, errOutage, errOutage, errOutage, errOutage, newSlot(time.Hour))
				w.job.WaitForEngine = name == "by who wants to wait"
				w.start()
				synctest.Wait()
				time.Sleep(2 * time.Minute)
				w.tree.ends(0)
				require.Equal(t, keeper.Exited, w.outcome().Kind)
				require.Len(t, w.source.asked, 7)
				require.Contains(t, w.kinds(), keeper.Away)
				for i := 2; i < len(w.source.asked); i++ {
					require.LessOrEqual(t, w.source.asked[i]-w.source.asked[i-1], 5*time.Second)
				}
			})
		})
	}
}

func TestAnEngineThatStaysAwayIsWaitedForNoLongerThanTheTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1, errOutage)
		w.job.WaitForEngine, w.job.Timeout = true, seconds(60)
		w.start()
		begin := time.Now()
		require.Equal(t, keeper.NotGranted, w.outcome().Kind)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestThePlaceInLineIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		granting := make(chan slot.Slot, 1)
		w := newWorld(t, 1, &fakeTicket{granting: granting})
		w.start()
		synctest.Wait()
		require.Equal(t, []keeper.EventKind{keeper.Queued}, w.kinds())
		require.Equal(t, 3, *w.said[0].Ahead)
		granting <- newSlot(guard)
		synctest.Wait()
		require.Equal(t, []keeper.EventKind{keeper.Queued, keeper.Granted, keeper.Started}, w.kinds())
		w.tree.ends(0)
		w.outcome()
	})
}

func TestASignalGivesUpTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1, &fakeTicket{})
		w.start()
		synctest.Wait()
		w.orders <- keeper.Order{Signal: syscall.SIGINT, Shared: true}
		require.Equal(t, keeper.Outcome{Kind: keeper.Signaled, Signal: syscall.SIGINT}, w.outcome())
	})
}

func TestReasonsAreFoundInWrappedErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1, errors.Join(errRefusal, slot.ErrClosed))
		w.start()
		require.Equal(t, keeper.NoEngine, w.outcome().Kind, "what is refused for good is no matter of waiting")
	})
}
