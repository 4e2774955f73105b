package redis

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func TestThePoolsOfTwoMachinesShareTheLimitsOfTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, keys, jobs = 2, 5, 500
		w := newWorld(t)
		var running [keys]atomic.Int32
		var done, most atomic.Int32
		var pools []*pool.Pool
		for _, machine := range []string{"a", "b"} {
			p, err := pool.New(8, pool.WithSlots(w.source(machine, slot.Keyed("job:", limit))))
			require.NoError(t, err)
			pools = append(pools, p)
		}
		for i := range jobs {
			k := i % keys
			pools[i%2].Go(func(context.Context) error {
				defer running[k].Add(-1)
				if n := running[k].Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				done.Add(1)
				return nil
			}, pool.Key(fmt.Sprint(k)))
		}
		for _, p := range pools {
			require.NoError(t, p.Shutdown(t.Context()))
		}
		require.Equal(t, int32(jobs), done.Load())
		require.Equal(t, int32(limit), most.Load())
	})
}
