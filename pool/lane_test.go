package pool

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// What a lane gives out, one by one or many at a time, is what was put in and
// not cancelled, in its order.
func TestALaneGivesItsLivingJobsInTheirOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(faultnet.Seed(t), 0))
	var l lane
	var want []*Task
	buried := 0
	for range 20_000 {
		switch k := rnd.IntN(48); rnd.IntN(4) {
		case 0:
			items := make([]item, k)
			for i := range items {
				items[i].task = &Task{}
				want = append(want, items[i].task)
			}
			l.push(0, items)
		case 1:
			if len(want) > 0 {
				i := rnd.IntN(len(want))
				l.bury(want[i])
				want = slices.Delete(want, i, i+1)
				buried++
			}
		case 2:
			if l.n > 0 {
				require.Same(t, want[0], l.popLevel(l.mostUrgent()).task)
				want = want[1:]
			}
		case 3:
			into := make([]item, min(k, l.n))
			l.popLevelInto(into, l.level(0))
			for i, it := range into {
				require.Same(t, want[i], it.task)
				require.False(t, it.task.inLane)
			}
			want = want[len(into):]
		}
		require.Equal(t, len(want), l.n)
	}
	require.Positive(t, buried)
	for l.n > 0 {
		l.popLevel(l.mostUrgent())
	}
	lv := l.level(0)
	require.Equal(t, lv.dead, lv.jobs.n)
	for lv.jobs.n > 0 {
		lv.jobs.pop()
	}
	for _, it := range lv.jobs.buf {
		require.Zero(t, it.task, "what was taken is not kept alive")
	}
}
