package tracing_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

// poolMetrics writes down what pools that are watched report.
func (r *recorder) poolMetrics() string {
	var out []string
	for _, name := range []string{tracing.MetricPoolSlots, tracing.MetricPoolSlotTime, tracing.MetricPoolClaims,
		tracing.MetricPoolClaimsInLine, tracing.MetricPoolUnusedGrants} {
		out = append(out, strings.TrimPrefix(name, "berth.pool.")+": "+strings.Join(r.points(name), ", "))
	}
	return strings.Join(out, "\n") + "\n"
}

func TestAWatchedPoolShowsHowItUsesItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocalKeyed(1)
		other, _, err := slot.Try(t.Context(), src, "b")
		require.NoError(t, err)
		p := r.newPool(1, pool.WithSlots(src))
		stop, err := r.Watch(p)
		require.NoError(t, err)
		dropped := p.Submit(sleep(0), pool.Key("b"))
		time.Sleep(time.Second)
		p.Submit(sleep(4*time.Second), pool.Key("a"))
		time.Sleep(time.Second)
		require.Equal(t, lines(`
		slots: state=idle 0, state=used 1
		slot_time: state=idle 0s, state=used 1s
		claims: 2
		claims_in_line: 1
		unused_grants: 0
		`), r.poolMetrics())

		require.NoError(t, other.Release())
		time.Sleep(time.Second)
		require.Equal(t, lines(`
		slots: state=idle 1, state=used 1
		slot_time: state=idle 1s, state=used 2s
		claims: 2
		claims_in_line: 0
		unused_grants: 0
		`), r.poolMetrics())

		dropped.Cancel()
		require.NoError(t, p.Shutdown(t.Context()))
		after := lines(`
		slots: state=idle 0, state=used 0
		slot_time: state=idle 1s, state=used 4s
		claims: 2
		claims_in_line: 0
		unused_grants: 1
		`)
		require.Equal(t, after, r.poolMetrics())

		stop()
		stop()
		require.NotContains(t, r.metrics(), tracing.MetricPoolClaims, "nothing is observed when no pool is watched")
		again := r.newPool(1)
		stop, err = r.Watch(again)
		require.NoError(t, err)
		require.Equal(t, after, r.poolMetrics(), "what only grows does not start anew")
		require.NoError(t, again.Shutdown(t.Context()))
		stop()
	})
}

func TestWhatSeveralPoolsHaveIsAddedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocalKeyed(1)
		for _, key := range []string{"a", "b"} {
			p := r.newPool(1, pool.WithSlots(src))
			stop, err := r.Watch(p)
			require.NoError(t, err)
			p.Submit(sleep(time.Minute), pool.Key(key))
			t.Cleanup(func() {
				require.NoError(t, p.Shutdown(context.Background()))
				stop()
			})
		}
		time.Sleep(time.Second)
		require.Equal(t, lines(`
		slots: state=idle 0, state=used 2
		slot_time: state=idle 0s, state=used 2s
		claims: 2
		claims_in_line: 0
		unused_grants: 0
		`), r.poolMetrics())
	})
}

func TestNoPoolCannotBeWatched(t *testing.T) {
	_, err := record(t).Watch(nil)
	require.EqualError(t, err, "tracing: Watch: the pool is nil")
}
