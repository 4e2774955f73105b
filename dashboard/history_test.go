package dashboard

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A history is compared with what a list of all that happened says.
func TestAHistoryAddsUpExactlyWhatHappened(t *testing.T) {
	type change struct {
		at   time.Duration
		busy int
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		h := newHistory(intervals * time.Second)
		all, at, busy := []change{{}}, time.Duration(0), 0
		longest := []time.Duration{time.Millisecond, 10 * time.Second, 10 * time.Minute}[r.IntN(3)]
		for range 1 + r.IntN(100) {
			at += time.Duration(r.Int64N(int64(longest)))
			h.now(at)
			if busy > 0 && r.IntN(2) == 0 {
				busy--
			} else {
				busy++
			}
			h.busy = busy
			all = append(all, change{at, busy})
		}
		all = append(all, change{at, busy})
		got := h.series().Busy
		newest := int(at / time.Second)
		require.Len(t, got, min(newest+1, intervals))
		for i, n := range slices.Backward(got) {
			number := newest - len(got) + 1 + i
			from := time.Duration(number) * time.Second
			to := min(from+time.Second, at)
			sum := time.Duration(0)
			for k := range all[:len(all)-1] {
				if a, b := max(all[k].at, from), min(all[k+1].at, to); a < b {
					sum += time.Duration(all[k].busy) * (b - a)
				}
			}
			require.Equal(t, mean(sum, to-from, busy), n, "interval %d of %d", number, newest)
		}
	}
}

func TestATopHasTheFirstOfMany(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		few := top[int]{most: r.IntN(6), before: func(a, b int) bool { return a < b }}
		var all []int
		for range r.IntN(30) {
			n := r.IntN(20)
			all = append(all, n)
			few.add(n)
		}
		slices.Sort(all)
		require.Equal(t, append([]int{}, all[:min(len(all), few.most)]...), few.inOrder())
	}
}

func TestLatelyHasTheLastOfMany(t *testing.T) {
	l := lately[int]{most: 3}
	require.Empty(t, l.newestFirst())
	for i := range 8 {
		l.add(i)
		require.Equal(t, []int{i, i - 1, i - 2}[:min(i+1, 3)], l.newestFirst())
	}
}
