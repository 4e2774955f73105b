package stacktest_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
)

// TestOutageIsProbedByOneConnectionOfEachMachine has 3 machines of 50 busy
// workers lose their server for three minutes, either because it refuses or
// because nothing answers. Each machine has one dial under way at a time; and
// when the server is back, all work again, without a storm.
func TestOutageIsProbedByOneConnectionOfEachMachine(t *testing.T) {
	outages := map[string]func(w *world, outage time.Duration){
		"refused": func(w *world, outage time.Duration) { w.restart(outage) },
		"silent": func(w *world, outage time.Duration) {
			w.net.Set(faultnet.Everybody, faultnet.Conditions{HoldUp: true, HoldDown: true})
			time.Sleep(outage)
			w.net.Set(faultnet.Everybody, faultnet.Conditions{})
		},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { probed(t, outage) })
		})
	}
}

func probed(t *testing.T, outage func(w *world, outage time.Duration)) {
	const workers, lasts = 50, 3 * time.Minute
	w := newWorld(t, immediate, 20, 6*time.Second)
	defer w.close()
	ctx, cancel := context.WithCancelCause(t.Context())
	var submitters sync.WaitGroup
	dialling := map[string]*dialCount{}
	for _, machine := range []string{"a", "b", "c"} {
		d := &dialCount{dial: w.net.Dialer(machine)}
		dialling[machine] = d
		src := w.source(machine, dflockd.WithDialer(d.Dial))
		defer func() { require.NoError(t, src.Close(context.Background())) }()
		p, err := pool.New(workers, pool.WithSlots(src), pool.WithReuse(0))
		require.NoError(t, err)
		defer func() { require.NoError(t, p.Shutdown(context.Background())) }()
		for key := range workers {
			submitters.Go(func() {
				for ctx.Err() == nil {
					_ = p.SubmitContext(ctx, func(ctx context.Context) error {
						w.granted(machine, pulse, time.Now(), 0)
						rest(ctx, time.Second)
						return nil
					}, pool.Key(fmt.Sprint(key))).Wait(ctx) // an outage is no failure
				}
			})
		}
	}
	defer submitters.Wait()
	defer cancel(errOver)

	time.Sleep(10 * time.Second)
	for _, d := range dialling {
		d.reset()
	}
	begin := time.Now()
	outage(w, lasts)
	down := map[string]int{}
	for _, dial := range w.net.Dials() {
		if dial.At.After(begin.Add(10*time.Second)) && dial.At.Before(begin.Add(lasts)) {
			down[dial.Machine]++
		}
	}
	for machine, d := range dialling {
		require.Equalf(t, 1, d.most(), "dials at once of machine %s", machine)
		require.Positive(t, down[machine])
		// Pauses of full jitter up to 5 s are 2.5 s on average.
		require.LessOrEqualf(t, down[machine], int(lasts/time.Second), "dials of machine %s", machine)
	}
	back := time.Now()
	time.Sleep(w.recovery())
	for machine := range dialling {
		before := w.grants(machine, pulse)
		time.Sleep(10 * time.Second)
		require.Greaterf(t, w.grants(machine, pulse)-before, 5*workers, "machine %s works again", machine)
	}
	require.LessOrEqual(t, len(w.net.Dials())-w.dialsBefore(back), 3*workers, "dials after the outage")
}

func (w *world) dialsBefore(at time.Time) int {
	n := 0
	for _, d := range w.net.Dials() {
		if d.At.Before(at) {
			n++
		}
	}
	return n
}

// A dialCount counts the dials that are under way at once.
type dialCount struct {
	dial dflockd.DialFunc

	mu        sync.Mutex // guards what follows; not held while dialling
	now, peak int
}

func (d *dialCount) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.add(1)
	defer d.add(-1)
	return d.dial(ctx, network, address)
}

func (d *dialCount) add(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now += n
	d.peak = max(d.peak, d.now)
}

func (d *dialCount) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peak = d.now
}

func (d *dialCount) most() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peak
}
