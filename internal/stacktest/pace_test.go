package stacktest_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// The hosts that two pools visit: five visits at once and ten a second, each.
const (
	hosts         = 20
	visitsAtOnce  = 5
	visitsPerSec  = 10
	visitInterval = time.Second / visitsPerSec
)

// A pacedFleet is two pools whose sources share slots and a rate.
type pacedFleet struct {
	pools  [2]*pool.Pool
	pause  func(host string, d time.Duration) error
	exact  bool // nothing starts in a pause
	closes func()
}

// pacedFleets are the ways to a rate that run in fake time.
var pacedFleets = map[string]func(t *testing.T, workers int) *pacedFleet{
	"a server with clocks":    func(t *testing.T, workers int) *pacedFleet { return fleetOfServer(t, workers, true) },
	"a server without clocks": func(t *testing.T, workers int) *pacedFleet { return fleetOfServer(t, workers, false) },
	"in one process": func(t *testing.T, workers int) *pacedFleet {
		src := slot.NewLocalKeyed(visitsAtOnce)
		f := newPacedFleet(t, workers, staysOpen{src}, staysOpen{src})
		f.exact, f.pause = true, func(host string, d time.Duration) error { return src.Pause(context.Background(), host, d) }
		return f
	},
}

// staysOpen is a source that several pools use.
type staysOpen struct{ *slot.Local }

func (staysOpen) Close(context.Context) error { return nil }

func newPacedFleet(t *testing.T, workers int, a, b slot.Source) *pacedFleet {
	f := &pacedFleet{}
	var sources []slot.Source
	for i, src := range []slot.Source{a, b} {
		paced := slot.Pace(src, slot.PerSecond(visitsPerSec), 1)
		p, err := pool.New(workers, pool.WithSlots(paced))
		require.NoError(t, err)
		f.pools[i], sources = p, append(sources, paced)
	}
	f.closes = func() {
		for i, p := range f.pools {
			require.NoError(t, p.Shutdown(context.Background()))
			require.NoError(t, sources[i].Close(context.Background()))
		}
	}
	return f
}

func fleetOfServer(t *testing.T, workers int, clocks bool) *pacedFleet {
	srv, err := server.Start(context.Background(), server.WithInMemory(), server.WithAdminSecrets("zookeeper"))
	require.NoError(t, err)
	dial := dflockd.DialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := srv.Dial(ctx)
		if clocks || err != nil {
			return c, err
		}
		return clocklessConn{c}, nil
	})
	source := func() *dflockd.Source {
		src, err := dflockd.NewSource(slot.Keyed("", visitsAtOnce), dflockd.WithDialer(dial), dflockd.WithAuth("zookeeper"), dflockd.WithLease(30*time.Second))
		require.NoError(t, err)
		return src
	}
	a := source()
	f := newPacedFleet(t, workers, a, source())
	f.exact, f.pause = clocks, func(host string, d time.Duration) error { return a.Pause(context.Background(), host, d) }
	closes := f.closes
	f.closes = func() {
		closes()
		srv.Close()
	}
	return f
}

// A clocklessConn makes the server one that has no clocks for a pace.
type clocklessConn struct{ net.Conn }

func (c clocklessConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b, bytes.ReplaceAll(b[:n], []byte(" pace=1"), []byte(" pace=0")))
	return n, err
}

// visits is when visits began, by host, as the hosts see it.
type visits struct {
	begun time.Time
	mu    sync.Mutex
	of    [hosts][]time.Duration
}

func hostName(i int) string { return fmt.Sprint("host-", i) }

// submit has each pool visit each host n times, for so long.
func (v *visits) submit(t *testing.T, f *pacedFleet, n int, took time.Duration) {
	for range n {
		for host := range hosts {
			for _, p := range f.pools {
				require.NoError(t, p.Go(func(ctx context.Context) error {
					v.mu.Lock()
					v.of[host] = append(v.of[host], time.Since(v.begun))
					v.mu.Unlock()
					time.Sleep(took)
					return nil
				}, pool.Key(hostName(host))))
			}
		}
	}
}

// wait waits until all that was submitted is done.
func (f *pacedFleet) wait(t *testing.T) {
	for _, p := range f.pools {
		require.NoError(t, p.Wait(t.Context()))
	}
}

// count returns how many visits of a host began in a span.
func (v *visits) count(host int, from, to time.Duration) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, at := range v.of[host] {
		if from <= at && at < to {
			n++
		}
	}
	return n
}

// requirePace fails unless in any second there were no more visits of a host than the
// contract has it: the burst, the rate, and what may start late.
func (v *visits) requirePace(t *testing.T) {
	late := visitInterval / 2
	most := 1 + int((time.Second+late)/visitInterval)
	for host, at := range v.of {
		first := 0 // of the second that ends with a visit
		for i := range at {
			for at[first] <= at[i]-time.Second {
				first++
			}
			require.LessOrEqual(t, i-first+1, most, "%s in the second to %v", hostName(host), at[i])
		}
	}
}

// requireRate fails unless each host had 9.5 visits a second in a span.
func (v *visits) requireRate(t *testing.T, from, to time.Duration) {
	for host := range v.of {
		require.GreaterOrEqual(t, float64(v.count(host, from, to)), 9.5*(to-from).Seconds(), "%s from %v to %v", hostName(host), from, to)
	}
}

// TestARateAndALimitHoldTogether has two pools visit 20 hosts, five visits at once and ten
// a second: short visits, long ones, while all slots hang, and in a pause.
func TestARateAndALimitHoldTogether(t *testing.T) {
	for way, newFleet := range pacedFleets {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 128)
				defer f.closes()
				v := &visits{begun: time.Now()}
				now := func() time.Duration { return time.Since(v.begun) }

				v.submit(t, f, 40, 200*time.Millisecond) // for eight seconds, if there is room
				f.wait(t)
				v.requireRate(t, time.Second, 7*time.Second)

				long := now()
				v.submit(t, f, 10, 3*time.Second) // the limit decides: 20 visits of three seconds, five at a time
				f.wait(t)
				require.GreaterOrEqual(t, now()-long, 12*time.Second)
				require.Less(t, now()-long, 18*time.Second)

				v.submit(t, f, 3, 5*time.Second) // all slots hang
				time.Sleep(time.Second)
				stalled := now()
				v.submit(t, f, 30, 200*time.Millisecond)
				time.Sleep(6500 * time.Millisecond)
				for host := range v.of {
					require.LessOrEqual(t, v.count(host, stalled, stalled+3500*time.Millisecond), 1, "all slots of %s hang", hostName(host))
					require.NoError(t, f.pause(hostName(host), 5*time.Second))
				}
				pause := now()
				f.wait(t)
				if f.exact {
					for host := range v.of {
						require.Zero(t, v.count(host, pause+1, pause+5*time.Second), "%s is paused", hostName(host))
					}
				}
				v.requireRate(t, pause+5500*time.Millisecond, pause+7*time.Second)
				v.requirePace(t)
			})
		})
	}
}

// TestARateHoldsWhereWorkersAreScarce has slots wait for workers: those that have waited
// for too long go back.
func TestARateHoldsWhereWorkersAreScarce(t *testing.T) {
	for way, newFleet := range pacedFleets {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 8)
				defer f.closes()
				v := &visits{begun: time.Now()}
				for range 6 {
					v.submit(t, f, 1, 20*time.Millisecond)
					v.submit(t, f, 1, 700*time.Millisecond)
				}
				f.wait(t)
				v.requirePace(t)
				late := f.pools[0].Stats().LateSlots + f.pools[1].Stats().LateSlots
				t.Logf("%d slots went back late, in %v", late, time.Since(v.begun))
				require.Positive(t, late)
			})
		})
	}
}
