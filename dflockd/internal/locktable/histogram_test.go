package locktable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

func TestWaitsAndHoldsAreTimed(t *testing.T) {
	table := New(Config{Random: func() uint64 { return 1 }})
	var holder, waiter Conn
	a := Claim{Key: []byte("k"), Limit: 1, Lease: time.Minute, Timeout: time.Hour}
	first := table.Acquire(time.Second, &holder, a)
	require.Equal(t, wire.OK, first.Status)
	require.Zero(t, table.Acquire(2*time.Second, &waiter, a).Status)
	require.Equal(t, 1, table.Totals().Waiting)
	require.Equal(t, wire.OK, table.Release(9*time.Second, a.Key, first.Token).Status)
	table.Advance(9*time.Second + time.Minute) // the second lease runs out

	total := table.Totals()
	require.Zero(t, total.Waiting)
	require.Equal(t, 7*time.Second, total.Waits.Sum, "0 s and 7 s")
	require.Equal(t, 8*time.Second+time.Minute, total.Holds.Sum)
	for i, bound := range Bounds() {
		switch bound {
		case time.Millisecond:
			require.EqualValues(t, 1, total.Waits.Buckets[i])
		case 10 * time.Second:
			require.EqualValues(t, 1, total.Waits.Buckets[i])
			require.EqualValues(t, 1, total.Holds.Buckets[i])
		case time.Minute:
			require.EqualValues(t, 1, total.Holds.Buckets[i], "a bound belongs to its bucket")
		default:
			require.Zero(t, total.Waits.Buckets[i]+total.Holds.Buckets[i], bound)
		}
	}
}

func TestTimesOverAllBoundsAreCounted(t *testing.T) {
	var h Histogram
	h.add(2 * Bounds()[len(Bounds())-1])
	require.EqualValues(t, 1, h.Buckets[len(h.Buckets)-1])
	require.EqualValues(t, 1, h.Count())
}

func TestTimingAGrantAllocatesNothing(t *testing.T) {
	var h Histogram
	require.Zero(t, testing.AllocsPerRun(100, func() { h.add(time.Hour) }))
}
