package redis

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// A hearer is a claimant that keeps what it is told.
type hearer struct {
	granted chan slot.Slot
	refused chan error
}

func newHearer() hearer { return hearer{make(chan slot.Slot, 1), make(chan error, 1)} }

func (h hearer) Granted(s slot.Slot) { h.granted <- s }
func (h hearer) Refused(err error)   { h.refused <- err }

// ofSources returns how many goroutines run code of a source. Those of clients come and
// go with their connections.
func ofSources() int {
	buf := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "engines/redis.(*Source)") {
			n++
		}
	}
	return n
}

func TestNoClaimCostsAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Keyed("", 100))
		w.claim(a, "held")
		w.queue(w.source("b", slot.Keyed("", 1)), "held") // limit 1: nobody passes it
		synctest.Wait()
		before := ofSources()
		require.GreaterOrEqual(t, before, 4, "two of each source")
		for i := range 50 {
			w.claim(a, fmt.Sprint(i))
			w.queue(a, "held")
			_, err := a.Join(t.Context(), "held", newHearer())
			require.NoError(t, err)
		}
		time.Sleep(3 * w.lease)
		synctest.Wait()
		require.Equal(t, before, ofSources())
	})
}

// A counter counts the pipelines and the requests of a client.
type counter struct{ pipelines, requests atomic.Int64 }

func (c *counter) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (c *counter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return next }

func (c *counter) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			if cmd.Name() == "eval" || cmd.Name() == "evalsha" {
				c.pipelines.Add(1)
				c.requests.Add(int64(len(cmds)))
				break
			}
		}
		return next(ctx, cmds)
	}
}

// counted returns a source whose requests are counted.
func (w *world) counted(machine string, limits slot.Limits) (*Source, *counter) {
	c, client := &counter{}, w.client(machine)
	client.AddHook(c)
	s, err := NewSource(client, limits, WithLease(w.lease))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s, c
}

func TestClaimsThatAreMadeAtOnceShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, count := w.counted("a", slot.Keyed("", 1))
		require.NoError(t, w.claim(s, "first").Release())
		synctest.Wait()
		count.pipelines.Store(0)
		w.net.Set("a", slow)
		slots := make(chan slot.Slot)
		for i := range 100 {
			go func() {
				got, _, err := s.Try(context.Background(), fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				slots <- got
			}()
		}
		for range 100 {
			go (<-slots).Release()
		}
		time.Sleep(time.Second)
		require.LessOrEqual(t, count.pipelines.Load(), int64(8), "for 200 requests")
	})
}

func TestRenewalsOfAllClaimsShareAPipelineAndThoseOfALineARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, count := w.counted("a", slot.Keyed("", 10))
		for _, key := range []string{"a", "b", "c"} {
			for range 10 {
				w.claim(s, key)
			}
			w.queue(s, key)
		}
		synctest.Wait()
		count.pipelines.Store(0)
		count.requests.Store(0)
		time.Sleep(10 * w.lease)
		require.LessOrEqual(t, count.pipelines.Load(), int64(40), "one each third of a lease, or a little sooner")
		require.GreaterOrEqual(t, count.pipelines.Load(), int64(30))
		require.Equal(t, 3*count.pipelines.Load(), count.requests.Load())
	})
}

func TestASourceThatHasNothingToDoAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, count := w.counted("a", slot.Keyed("", 10))
		require.NoError(t, w.claim(s, "a").Release())
		synctest.Wait()
		before := count.requests.Load()
		time.Sleep(time.Hour)
		require.Equal(t, before, count.requests.Load())
		require.NoError(t, w.claim(s, "a").Release())
	})
}

func TestALeaseThatIsDueInALineIsAskedForOnceByEachSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dead := w.claim(w.source("dead", slot.Fixed("k", 1)), "")
		s, count := w.counted("a", slot.Fixed("k", 1))
		ticket := w.queue(s, "")
		for range 20 {
			w.queue(s, "")
		}
		synctest.Wait()
		w.net.Set("dead", cut)
		count.requests.Store(0)
		_, _ = w.wait(ticket)
		require.Error(t, dead.Context().Err())
		require.LessOrEqual(t, count.requests.Load(), int64(6), "renewals, and one call when the lease was over")
		w.net.Set("dead", connected)
	})
}

// The figures of docs/engines.md: what claims, held slots and waiters ask of Redis is
// counted at three sizes.
func TestWhatClaimsSlotsAndWaitersAskOfRedisIsCounted(t *testing.T) {
	for _, n := range []int{4, 32, 160} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { countRedis(t, n) })
		})
	}
}

func countRedis(t *testing.T, n int) {
	w := newWorld(t)
	s, count := w.counted("a", slot.Keyed("", 1))
	take := func() (requests, pipelines int) {
		synctest.Wait()
		return int(count.requests.Swap(0)), int(count.pipelines.Swap(0))
	}
	require.NoError(t, w.claim(s, "first").Release())
	take()

	for i := range n {
		require.NoError(t, w.claim(s, fmt.Sprint(i)).Release())
	}
	requests, _ := take()
	require.Equal(t, 2*n, requests, "two requests a claim")

	const beats = 6
	for i := range n {
		w.claim(s, fmt.Sprint(i))
	}
	take()
	time.Sleep(beats * w.lease / 3)
	requests, pipelines := take()
	between(t, (beats-1)*n, (beats+1)*n, requests, "one request for each line in a third of a lease")
	require.LessOrEqual(t, pipelines, (beats+1)*(1+n/longestBeats), "256 of them share a pipeline")

	for range n {
		w.queue(s, "0")
	}
	requests, _ = take()
	between(t, n, 3*n, requests, "one request a place in line, beside the renewals")
	time.Sleep(beats * w.lease / 3)
	requests, _ = take()
	more := 1 + n/longestCall // requests that the longest line takes for itself
	between(t, (beats-1)*n, (beats+1)*(n+more), requests, "128 of one line share a request")
}

func between(t *testing.T, least, most, n int, what string) {
	t.Helper()
	require.GreaterOrEqual(t, n, least, what)
	require.LessOrEqual(t, n, most, what)
}
