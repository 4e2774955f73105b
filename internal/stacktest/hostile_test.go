package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// attacks are what a client may do to a server, and to others through it, that has no
// secret of theirs. It may claim as they do: with leases of a second that is a nuisance,
// and no more.
var attacks = map[string]func(a *attacker){
	"noise": func(a *attacker) {
		noise := make([]byte, a.rng.IntN(4000))
		for i := range noise {
			noise[i] = byte(a.rng.Uint32())
		}
		a.send(string(noise))
	},
	"requests off the grammar": func(a *attacker) {
		words := []string{"sl", "sw", "sr", "sn", "hello", "#1 se", "", "0x5", "-1", "18446744074", "ok", "key-0", "\x00", "_", strings.Repeat("9", 300)}
		for range 30 {
			a.send(words[a.rng.IntN(len(words))], words[a.rng.IntN(len(words))], words[a.rng.IntN(len(words))]+" "+words[a.rng.IntN(len(words))])
		}
	},
	"tokens that are guessed": func(a *attacker) {
		for range 20 {
			a.send([]string{"sr", "sn"}[a.rng.IntN(2)], a.key(), fmt.Sprintf("%016x%016x", a.rng.Uint64(), a.rng.Uint64()))
		}
	},
	"a secret that is guessed": func(a *attacker) { a.send("auth", "_", fmt.Sprint(a.rng.Uint32())) },
	"the orders of an administrator": func(a *attacker) {
		a.send("pause", a.key(), "60000")
		a.send("revoke", a.key(), fmt.Sprintf("%016x", a.rng.Uint64()))
	},
	"answers that are not read": func(a *attacker) {
		for range 300 {
			a.send("stats", "_", "_")
		}
	},
	"half a request": func(a *attacker) {
		a.write("sl\nkey")
		rest(a.ctx, time.Duration(a.rng.IntN(60))*time.Second)
	},
	"a byte a second": func(a *attacker) {
		for _, b := range "sl\nkey-0\n0 1" {
			a.write(string(b))
			rest(a.ctx, time.Second)
		}
	},
	"a line without an end": func(a *attacker) { a.write(strings.Repeat("x", 300_000)) },
	"keys that are hoarded": func(a *attacker) {
		for i := range 200 {
			a.send("sl", fmt.Sprint("hoard-", i), "0 1 600")
		}
		rest(a.ctx, time.Duration(a.rng.IntN(5))*time.Second)
	},
	"places that nobody waits for": func(a *attacker) {
		a.send("se", a.key(), fmt.Sprintf("%d 1", a.limit))
		rest(a.ctx, time.Duration(a.rng.IntN(2000))*time.Millisecond)
	},
	"another limit": func(a *attacker) { a.send("sl", a.key(), "0 1000 1") },
	"half closed": func(a *attacker) {
		a.send("sw", a.key(), "30")
		_ = a.nc.(interface{ CloseWrite() error }).CloseWrite()
		_, _ = io.Copy(io.Discard, a.nc)
	},
}

// An attacker has a connection, for one attack.
type attacker struct {
	ctx   context.Context
	nc    net.Conn
	rng   *rand.Rand
	limit int
}

// key returns one of those that others want.
func (a *attacker) key() string { return []string{"key-0", "key-1", pulse}[a.rng.IntN(3)] }

func (a *attacker) send(lines ...string) { a.write(strings.Join(lines, "\n") + "\n") }

// write writes as much as the server takes: it may have closed the connection, or read
// no more of it.
func (a *attacker) write(text string) { _, _ = io.WriteString(a.nc, text) }

// TestHonestMachinesGetOnBesideHostileClients has machines at work while others do to
// the server what comes to their minds. The limit holds, no machine loses a slot or is
// refused a claim, all get on, and in the end nothing of the others is left.
func TestHonestMachinesGetOnBesideHostileClients(t *testing.T) {
	minutes := 5
	if raceEnabled {
		minutes = 1
	}
	did := counts.Of{}
	kinds := map[string]bool{}
	faultnet.EachSeed(t, "BERTH_SIMULATIONS", 2, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 6))
			w := newWorld(t, mode(seed%2 == 0), 1+rng.IntN(3), time.Duration(4+rng.IntN(10))*time.Second)
			defer w.close()
			h := &hostility{world: w, kinds: kinds}
			h.run(time.Duration(minutes)*time.Minute, rng)
			require.Empty(t, check.Overlaps(w.limit, w.rec.Intervals()))
			t.Logf("%v, limit %d, lease %v, seed %d: %d attacks, %d grants", w.mode, w.limit, w.lease, seed, h.attacks, w.total())
			did["simulated-minutes"] += minutes
			did["attacks"] += h.attacks
			did["grants"] += w.total()
		})
	})
	did["kinds-of-attacks"] = len(kinds)
	counts.Report(t, did)
}

// A hostility is a world with hostile clients.
type hostility struct {
	*world

	mu      sync.Mutex // guards what follows
	attacks int
	kinds   map[string]bool
}

// hostile is the machine of all that attack.
const hostile = "hostile"

// run has honest machines and hostile ones in the world for a while.
func (h *hostility) run(d time.Duration, rng *rand.Rand) {
	ctx, cancel := context.WithCancelCause(h.t.Context())
	mine := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
	var honest, attackers sync.WaitGroup
	machines := []string{"a", "b", "c"}
	for _, machine := range machines {
		src := h.source(machine)
		defer func() { require.NoError(h.t, src.Close(context.Background())) }()
		honest.Go(func() { h.beat(ctx, src, machine) })
		for i := range 2 {
			rng := mine()
			honest.Go(func() { h.workInPeace(ctx, src, machine, fmt.Sprint(machine, i), rng) })
		}
	}
	siege, over := context.WithTimeout(ctx, d)
	defer over()
	for range 4 {
		rng := mine()
		attackers.Go(func() { h.attack(siege, rng) })
	}
	attackers.Wait()
	h.getOn(machines)
	cancel(errOver)
	honest.Wait()
	h.leavesNothing()
}

// longestWait is for how long nobody of a machine gets a slot that is held for a moment
// only, at most: hostile clients in front of it may each hold one for a second or two.
const longestWait = 20 * time.Second

// getOn asks that each machine was granted slots all the time.
func (h *hostility) getOn(machines []string) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	last := map[string]time.Time{}
	for _, g := range h.grant {
		if before, ok := last[g.machine]; ok && g.key == pulse {
			require.LessOrEqualf(h.t, g.at.Sub(before), longestWait, "machine %s was granted nothing from %v on", g.machine, before)
		}
		if g.key == pulse {
			last[g.machine] = g.at
		}
	}
	for _, m := range machines {
		require.LessOrEqualf(h.t, time.Since(last[m]), longestWait, "machine %s was granted nothing from %v on", m, last[m])
	}
}

// leavesNothing asks that the server forgets what hostile clients had, but for slots
// of a strict one, whose leases may be long.
func (h *hostility) leavesNothing() {
	time.Sleep(time.Minute)
	require.Zero(h.t, h.net.Connections(hostile))
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	st := h.srv.Stats()
	require.Zero(h.t, st.Waiting, "%+v", st)
	if h.mode == immediate {
		require.Zero(h.t, st.Held, "%+v", st)
	}
}

// workInPeace claims, holds and gives back until ctx ends. Nothing that others do is a
// reason for an error or a loss.
func (h *hostility) workInPeace(ctx context.Context, src *dflockd.Source, machine, worker string, rng *rand.Rand) {
	for ctx.Err() == nil {
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		hold := time.Duration(rng.Int64N(int64(time.Second)))
		if rng.IntN(20) == 0 {
			hold = time.Duration(rng.Int64N(int64(2 * h.lease)))
		}
		ticket, err := src.Enqueue(ctx, key)
		if err != nil {
			h.refused(worker, err)
			return
		}
		s, err := ticket.Wait(ctx)
		if err != nil {
			h.refused(worker, err)
			return
		}
		h.holdInPeace(ctx, s, machine, worker, key, hold)
		rest(ctx, time.Duration(rng.Int64N(int64(500*time.Millisecond))))
	}
}

// refused notes that a claim failed, which may be at the end only.
func (h *hostility) refused(worker string, err error) {
	if !errors.Is(err, errOver) {
		h.t.Errorf("a claim of %s failed: %v", worker, err)
	}
}

func (h *hostility) holdInPeace(ctx context.Context, s slot.Slot, machine, worker, key string, hold time.Duration) {
	h.granted(machine, key, s.Info().ConfirmedAt, s.Info().Fence)
	end := h.rec.Begin(s.Context(), key, worker)
	rest(ctx, hold)
	if err := context.Cause(s.Context()); err != nil {
		h.t.Errorf("the slot of %s was lost: %v", worker, err)
	}
	end()
	if err := s.Release(); err != nil {
		h.t.Errorf("release by %s: %v", worker, err)
	}
}

// attack makes one attack after the other until ctx ends, each over a connection of
// its own.
func (h *hostility) attack(ctx context.Context, rng *rand.Rand) {
	names := slices.Sorted(maps.Keys(attacks))
	for ctx.Err() == nil {
		nc, err := h.net.Dial(ctx, hostile)
		if err != nil {
			continue
		}
		name := names[rng.IntN(len(names))]
		_ = nc.SetDeadline(time.Now().Add(time.Minute))
		attacks[name](&attacker{ctx: ctx, nc: nc, rng: rng, limit: h.limit})
		if rng.IntN(2) == 0 { // or else it does not read the answers
			_ = nc.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, nc)
		}
		_ = nc.Close()
		h.mu.Lock()
		h.attacks++
		h.kinds[name] = true
		h.mu.Unlock()
		rest(ctx, time.Duration(rng.Int64N(int64(2*time.Second))))
	}
}
