package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// TestACrowdKeepsItsLimitsAndLeavesNothing lets 3,000 connections compete for 500
// keys of a server in another process, for as many seconds as BERTH_CROWD_SECONDS
// says. No key may ever have more holders than its limit, and nothing may be left
// when all have gone. Where SOAK_SERVER names the address of a server, it is that one,
// and others may use it too.
func TestACrowdKeepsItsLimitsAndLeavesNothing(t *testing.T) {
	seconds := faultnet.Count(t, "BERTH_CROWD_SECONDS", 0)
	if seconds == 0 {
		t.Skip("takes some seconds of all processors: BERTH_CROWD_SECONDS says how many")
	}
	seed := faultnet.Seed(t)
	const keys, limit = 500, 3
	connections := min(3000, openFiles()-500)
	p := &process{address: os.Getenv("SOAK_SERVER")}
	if p.address == "" {
		p = startOurs(t)
	}
	before := p.dial(t)
	others := before.connections() // itself included, as watch is later
	require.NoError(t, before.Close())
	s := &contest{t: t, p: p, limit: limit, held: make([]atomic.Int64, keys), end: time.Now().Add(time.Duration(seconds) * time.Second)}
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { s.client(rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
	watch := p.dial(t)
	require.Eventually(t, func() bool {
		return watch.connections() <= others && !strings.Contains(watch.ask("stats|_|_"), `"key":"k`)
	}, time.Minute, 100*time.Millisecond, "something is left")
	counts.Report(t, counts.Of{
		"seconds": seconds, "connections": connections, "grants": int(s.grants.Load()),
		"timeouts": int(s.timeouts.Load()), "dropped-connections": int(s.dropped.Load()),
	})
}

// connections returns how many the server says it has.
func (c *client) connections() int {
	var stats struct{ Connections int }
	require.NoError(c.t, json.Unmarshal([]byte(strings.TrimPrefix(c.ask("stats|_|_"), "ok ")), &stats))
	require.Positive(c.t, stats.Connections)
	return stats.Connections
}

// A contest is what many connections do at once.
type contest struct {
	t                         *testing.T
	p                         *process
	limit                     int64
	held                      []atomic.Int64 // by key, as the clients see it
	end                       time.Time
	grants, timeouts, dropped atomic.Int64
}

// client claims, holds and releases until the end. Now and then it drops its
// connection instead, and comes back.
func (s *contest) client(rng *rand.Rand) {
	nap := func(d time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(d)))) }
	nap(2 * time.Second)
	for time.Now().Before(s.end) {
		c := s.p.dial(s.t)
		for time.Now().Before(s.end) && rng.IntN(20) > 0 {
			s.claim(c, rng, nap)
			nap(2 * time.Second)
		}
		s.dropped.Add(1)
		if rng.IntN(2) == 0 {
			c.send(fmt.Sprintf("sl|k%d|%d %d", rng.IntN(len(s.held)), 100, s.limit)) // and is gone
		}
		_ = c.Close()
	}
}

func (s *contest) claim(c *client, rng *rand.Rand, nap func(time.Duration)) {
	key := rng.IntN(len(s.held))
	line := ""
	if rng.IntN(2) == 0 {
		line = c.ask(fmt.Sprintf("sl|k%d|%d %d 120", key, rng.IntN(3), s.limit))
	} else if line = c.ask(fmt.Sprintf("se|k%d|%d 120", key, s.limit)); line == "queued" {
		line = c.ask(fmt.Sprintf("sw|k%d|%d", key, 1+rng.IntN(3)))
	} else {
		line = c.ask(fmt.Sprintf("sw|k%d|0", key))
	}
	if line == "timeout" {
		s.timeouts.Add(1)
		return
	}
	token, _ := c.granted(line)
	s.grants.Add(1)
	if n := s.held[key].Add(1); n > s.limit {
		s.t.Errorf("key %d has %d holders, limit %d", key, n, s.limit)
	}
	nap(200 * time.Millisecond)
	require.Equal(s.t, "ok 120", c.ask(fmt.Sprintf("sn|k%d|%s 120", key, token)))
	s.held[key].Add(-1) // before the release, as nobody else may be granted it until then
	require.Equal(s.t, "ok", c.ask(fmt.Sprintf("sr|k%d|%s", key, token)))
}
