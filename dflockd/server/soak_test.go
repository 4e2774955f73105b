package server

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// TestSoak lets 9,000 connections compete for 500 keys of a server in another
// process, for as long as BERTH_SOAK says ("60s"). No key may ever have more
// holders than its limit, and nothing may be left when all have gone.
func TestSoak(t *testing.T) {
	if os.Getenv("BERTH_SOAK") == "" {
		t.Skip("BERTH_SOAK is not set")
	}
	duration, err := time.ParseDuration(os.Getenv("BERTH_SOAK"))
	require.NoError(t, err)
	seed := faultnet.Seed(t)
	const keys, limit = 500, 3
	connections := min(9000, openFiles()-500)
	t.Logf("%d connections", connections)
	p := startOurs(t)
	s := &soak{t: t, p: p, limit: limit, held: make([]atomic.Int64, keys), end: time.Now().Add(duration)}
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { s.client(rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
	watch := p.dial(t)
	require.Eventually(t, func() bool {
		return strings.HasPrefix(watch.ask("stats|_|_"), `ok {"connections":1,"locks":[],"semaphores":[],`)
	}, time.Minute, 100*time.Millisecond, "something is left")
	t.Logf("%d grants, %d timeouts, %d connections dropped while they held or waited; %d MiB of server memory",
		s.grants.Load(), s.timeouts.Load(), s.dropped.Load(), p.memory(t)>>20)
	require.NotZero(t, s.grants.Load())
	require.NotZero(t, s.dropped.Load())
}

type soak struct {
	t                         *testing.T
	p                         *process
	limit                     int64
	held                      []atomic.Int64 // by key, as the clients see it
	end                       time.Time
	grants, timeouts, dropped atomic.Int64
}

// client claims, holds and releases until the end. Now and then it drops its
// connection instead, and comes back.
func (s *soak) client(rng *rand.Rand) {
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

func (s *soak) claim(c *client, rng *rand.Rand, nap func(time.Duration)) {
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
