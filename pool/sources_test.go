package pool

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// This file runs pools on the sources that are put together of others.

// starts notes when jobs start. It is safe for concurrent use.
type starts struct {
	mu    sync.Mutex // guards times
	begin time.Time
	times []time.Duration
}

func (s *starts) job(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Since(s.begin))
	return nil
}

func (s *starts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

func TestThreePoolsShareARateOfFiveStartsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := slot.NewLocal(5)
		s := &starts{begin: time.Now()}
		var pools []*Pool
		for range 3 {
			p, err := New(4, WithSlots(slot.MinHold(shared, time.Second)))
			require.NoError(t, err)
			pools = append(pools, p)
		}
		for i := range 60 {
			require.NoError(t, pools[i%3].Go(s.job))
		}
		for _, p := range pools {
			require.NoError(t, p.Shutdown(t.Context()))
		}
		require.Len(t, s.times, 60)
		slices.Sort(s.times)
		for i := range s.times {
			require.Equal(t, time.Duration(i/5)*time.Second, s.times[i], "start %d", i)
		}
	})
}

func TestAPoolHoldsASlotOfTheHostAndOneOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(16, WithSlots(slot.All(slot.NewLocalKeyed(2), slot.NewLocal(5))))
		require.NoError(t, err)
		var mu sync.Mutex
		running, most := map[string]int{}, map[string]int{}
		count := func(key string, n int) {
			mu.Lock()
			defer mu.Unlock()
			for _, k := range []string{key, "all"} {
				running[k] += n
				most[k] = max(most[k], running[k])
			}
		}
		for range 20 {
			for _, host := range []string{"a", "b", "c", "d"} {
				require.NoError(t, p.Go(func(context.Context) error {
					count(host, 1)
					defer count(host, -1)
					time.Sleep(time.Second)
					return nil
				}, Key(host)))
			}
		}
		require.NoError(t, p.Shutdown(t.Context()))
		require.Equal(t, map[string]int{"a": 2, "b": 2, "c": 2, "d": 2, "all": 5}, most)
	})
}

func TestAPoolGoesOnWithALocalShareDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, local := slottest.NewBreakable(slot.NewLocal(4)), slot.NewLocal(1)
		p, err := New(8, WithSlots(slot.Fallback(engine, local, 10*time.Second)), WithReuse(0))
		require.NoError(t, err)
		s := &starts{begin: time.Now()}
		work := func(ctx context.Context) error {
			_ = s.job(ctx)
			time.Sleep(time.Second)
			return nil
		}
		engine.Break()
		for range 12 {
			require.NoError(t, p.Go(work))
		}
		time.Sleep(9 * time.Second)
		require.Zero(t, s.count(), "a short outage is waited for")
		time.Sleep(5500 * time.Millisecond)
		require.InDelta(t, 5, s.count(), 1, "then one job a second, on the local share")
		engine.Heal()
		before := s.count()
		time.Sleep(2500 * time.Millisecond)
		require.Greater(t, s.count(), before+5, "and four at once when the engine is back")
		require.NoError(t, p.Shutdown(t.Context()))
		require.Equal(t, 12, s.count())
	})
}
