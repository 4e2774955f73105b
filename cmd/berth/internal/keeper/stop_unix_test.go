//go:build unix

package keeper_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/slot"
)

// While the job is stopped nothing of it may start, and what is granted then goes
// back if the job ends there.
func TestACommandWaitsUntilItsJobIsContinued(t *testing.T) {
	for name, then := range map[string]func(*world){
		"continued": func(w *world) {
			w.orders <- keeper.Order{Signal: syscall.SIGCONT}
			synctest.Wait()
			w.tree.ends(0)
		},
		"ended": func(w *world) { w.orders <- keeper.Order{Signal: syscall.SIGTERM} },
		"gone":  func(w *world) { close(w.orders) },
		"hung":  func(w *world) { w.hung.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				granting := make(chan slot.Slot, 1)
				s := newSlot(time.Hour)
				w := newWorld(t, 1, &fakeTicket{granting: granting})
				w.start()
				synctest.Wait()
				w.orders <- keeper.Order{Signal: syscall.SIGTSTP, Shared: true}
				granting <- s
				time.Sleep(time.Minute)
				require.NotContains(t, w.kinds(), keeper.Started)
				require.False(t, s.isReleased())
				then(w)
				o := w.outcome()
				require.Equal(t, name == "continued", o.Kind == keeper.Exited, o)
				require.True(t, s.isReleased())
			})
		})
	}
}
