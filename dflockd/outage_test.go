package dflockd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

func TestServerThatIsNotThereIsNamedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		p.down = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
		src := newTestSource(t, p, slot.Fixed("k", 1), WithServers("10.1.2.3:7000"))
		start := time.Now()
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.ErrorIs(t, err, p.down)
		require.ErrorContains(t, err, `dflockd: claim "k" at 10.1.2.3:7000: `)
		require.ErrorContains(t, err, `start a server with "dflockd --host 10.1.2.3 --port 7000"`)
		err = src.Ping(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Regexp(t, `^dflockd: claim at 10\.1\.2\.3:7000: nothing listens there: .* \(next try in \S+\)$`, err.Error())
		p.set(func() { p.down, p.hang = nil, true })
		time.Sleep(time.Second)
		_, err = src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}

func TestWhileAServerIsDownFewDialsAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		p.down = errors.New("connection refused")
		src := newTestSource(t, p, slot.Fixed("k", 1))
		end := time.Now().Add(time.Minute)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for time.Now().Before(end) {
					_, err := src.Enqueue(t.Context(), "")
					require.ErrorIs(t, err, slot.ErrUnavailable)
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		dials, _ := p.counts()
		require.Greater(t, dials, 12)
		require.Less(t, dials, 80)
	})
}

func TestWaitersOfARestartedServerComeBackSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiters = 200
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		contend(src)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var lost atomic.Int32
		for range waiters {
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, err := acquire(ctx, src); errors.Is(err, slot.ErrUnavailable) {
						lost.Add(1)
						time.Sleep(200 * time.Millisecond)
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, waiters, p.count(wire.SemWait))
		p.reset()
		var in100ms []int
		last, _ := p.counts()
		for range 60 {
			time.Sleep(100 * time.Millisecond)
			dials, _ := p.counts()
			in100ms = append(in100ms, dials-last)
			last = dials
		}
		require.Equal(t, 2*waiters, p.count(wire.SemWait), "all wait again within 6 s")
		for _, n := range in100ms {
			require.LessOrEqual(t, n, waiters/20+1, in100ms)
		}
		require.EqualValues(t, waiters, lost.Load())
		cancel()
		wg.Wait()
	})
}

func TestServerOverItsConnectionsIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, func(int, wire.Request) string { return "close" })
		src := newTestSource(t, p, slot.Fixed("k", 1))
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
	})
}

func TestKeysAreSpreadOverTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := generous(t), generous(t)
		src, err := NewSource(slot.Keyed("", 1), WithServers("a:1", "b:2"), WithDialer(
			func(ctx context.Context, network, address string) (c net.Conn, err error) {
				if address == "a:1" {
					return one.dial(ctx, network, address)
				}
				return two.dial(ctx, network, address)
			}))
		require.NoError(t, err)
		defer src.Close(t.Context())
		keys := []string{"x", "y", "z", "crawl", "ünï", "a.example", "b.example", "c.example"}
		for _, key := range keys {
			claimNow(t, src, key)
			p := one
			if StableHashShard(key, 2) == 1 {
				p = two
			}
			require.Equal(t, key, p.last(wire.SemLock).Key)
		}
		require.NotZero(t, one.count(wire.SemLock))
		require.NotZero(t, two.count(wire.SemLock))
		require.NoError(t, src.Ping(t.Context()))
		two.set(func() { two.down = errReset })
		two.reset()
		time.Sleep(time.Second)
		require.ErrorContains(t, src.Ping(t.Context()), "b:2", "every server must answer")
	})
}

func TestShardingAgreesWithTheOfficialClients(t *testing.T) {
	// CRC-32 (IEEE) of the key's UTF-8 bytes, as zlib has it.
	for key, sum := range map[string]uint32{"": 0, "123456789": 0xcbf43926, "The quick brown fox jumps over the lazy dog": 0x414fa339} {
		for n := 1; n < 10; n++ {
			require.Equal(t, int(sum%uint32(n)), StableHashShard(key, n))
		}
	}
}

func TestShardOutOfRangeFailsTheClaim(t *testing.T) {
	for _, servers := range [][]string{{"a:1", "b:2"}, {"a:1"}} {
		for _, i := range []int{-1, len(servers)} {
			src, err := NewSource(slot.Fixed("k", 1), WithServers(servers...), WithSharding(func(string, int) int { return i }))
			require.NoError(t, err)
			_, err = src.Enqueue(t.Context(), "")
			require.ErrorContains(t, err, fmt.Sprintf("server %d of %d", i, len(servers)))
			require.NoError(t, src.Close(t.Context()))
		}
	}
}
