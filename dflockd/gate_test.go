package dflockd

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

func TestOpenGateLetsEverybodyDial(t *testing.T) {
	var g gate
	for range 100 {
		v, _ := g.ask(time.Now(), 1)
		require.Equal(t, dialNow, v)
	}
}

func TestWhileTheServerIsDownOneConnectionProbes(t *testing.T) {
	var g gate
	now := time.Now()
	g.failed(now, 0.5)
	require.Equal(t, now.Add(50*time.Millisecond), g.next)

	v, at := g.ask(now, 1)
	require.Equal(t, dialRefused, v)
	require.Equal(t, g.next, at)

	now = at
	v, _ = g.ask(now, 1)
	require.Equal(t, dialNow, v)
	for range 10 {
		v, _ = g.ask(now, 1)
		require.Equal(t, dialProbing, v)
	}
}

func TestBackoffIsDrawnFromADoublingRangeUpToFiveSeconds(t *testing.T) {
	var g gate
	now := time.Now()
	for _, longest := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000} {
		longest *= time.Millisecond
		g.failed(now, 1-1e-12)
		require.InDelta(t, longest, g.next.Sub(now), float64(time.Microsecond))
		now = g.next
		v, _ := g.ask(now, 1)
		require.Equal(t, dialNow, v)
	}
	g.failed(now, 0)
	require.Equal(t, now, g.next, "full jitter: from nothing")
}

func TestDialsFromBeforeTheGateClosedDoNotLengthenThePause(t *testing.T) {
	var g gate
	now := time.Now()
	g.failed(now, 0.9)
	next := g.next
	for range 100 {
		g.failed(now, 0.9)
	}
	require.Equal(t, next, g.next)
	require.Equal(t, 1, g.failures)
}

func TestAfterAnOutageDialsAreSpread(t *testing.T) {
	for _, waiting := range []int{1, 5, 20, 100, 1000} {
		var g gate
		now := time.Now()
		g.broke(now, 0.3)
		v, at := g.ask(now, 1)
		require.Equal(t, dialAt, v)
		now = at
		v, _ = g.ask(now, 1)
		require.Equal(t, dialNow, v)
		g.succeeded(now, waiting)

		var dials []time.Time
		for left := waiting; left > 0; {
			v, at := g.ask(now, 1)
			if v == dialNow {
				dials = append(dials, now)
				left--
				g.succeeded(now, left)
				continue
			}
			require.Equal(t, dialAt, v)
			now = at
		}
		v, _ = g.ask(now.Add(2*rampTime), 1)
		require.Equal(t, dialNow, v)
		require.Equal(t, gateOpen, g.state)
		most := max(1, waiting/20)
		for i := range dials {
			n := 0
			for _, d := range dials[i:] {
				if d.Sub(dials[i]) < 100*time.Millisecond {
					n++
				}
			}
			require.LessOrEqual(t, n, most, "%d wait", waiting)
		}
		require.LessOrEqual(t, dials[len(dials)-1].Sub(at), 2*time.Second+time.Millisecond)
	}
}

func TestGateNeverProbesTwiceAtOnce(t *testing.T) {
	seed := faultnet.Seed(t)
	r := rand.New(rand.NewPCG(seed, 1))
	var g gate
	now, probes := time.Now(), 0
	for range 100_000 {
		now = now.Add(time.Duration(r.IntN(50)) * time.Millisecond)
		switch r.IntN(4) {
		case 0:
			if probes == 0 {
				g.broke(now, r.Float64())
			}
		case 1:
			if probes > 0 {
				g.failed(now, r.Float64())
				probes--
			}
		case 2:
			if probes > 0 {
				g.succeeded(now, r.IntN(3))
				probes--
			}
		case 3:
			closed := g.state == gateSuspect || g.state == gateDown
			if v, _ := g.ask(now, 1); v == dialNow && closed {
				probes++
				require.LessOrEqual(t, probes, 1)
			}
		}
	}
}
