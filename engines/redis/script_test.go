package redis

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// A byHand calls the script without a source.
type byHand struct {
	t      *testing.T
	client *goredis.Client
	keys   []string
	lease  time.Duration
}

func (w *world) byHand(name string) *byHand {
	return &byHand{w.t, w.client("by hand"), lineKeys(defaultPrefix, name), w.lease}
}

func (h *byHand) call(op string, args ...any) []any {
	h.t.Helper()
	args = append([]any{op, h.lease.Milliseconds(), defaultPrefix + "granted:"}, args...)
	answer, err := h.client.Eval(h.t.Context(), lineText, h.keys, args...).Slice()
	require.NoError(h.t, err)
	return answer
}

func (h *byHand) claim(id, mode string) int64 {
	h.t.Helper()
	return h.call("claim", id, mode)[0].(int64)
}

// states returns what beat says of the claims.
func (h *byHand) states(ids ...string) []int64 {
	h.t.Helper()
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	var states []int64
	for _, s := range h.call("beat", args...)[2:] {
		states = append(states, s.(int64))
	}
	return states
}

// A dumbLine is what the script should be: a list, in which a claim of rank r is
// granted if and only if r is at most the smallest limit of the first r.
type dumbLine struct {
	claims  []*dumbClaim
	resting time.Time
	used    time.Time // up to when the clock is used up
}

type dumbClaim struct {
	id      string
	limit   int
	pace    gcra.Pace
	held    bool
	revoked bool
	expiry  time.Time
}

func (d *dumbLine) find(id string) *dumbClaim {
	for _, c := range d.claims {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (d *dumbLine) serve(now time.Time) {
	least := 1 << 30
	for i, c := range d.claims {
		least = min(least, c.limit)
		if i+1 > least || !c.held && (now.Before(d.resting) || !d.start(c, now)) {
			return
		}
		c.held = true
	}
}

// start has the clock let a claim go, if it does. What was late by a tenth of the interval
// is made up for.
func (d *dumbLine) start(c *dumbClaim, now time.Time) bool {
	if c.pace.IsNone() {
		return true
	}
	if now.Before(d.used.Add(-time.Duration(c.pace.Burst-1) * c.pace.Interval)) {
		return false
	}
	if d.used.Before(now.Add(-c.pace.Interval / 10)) {
		d.used = now
	}
	d.used = d.used.Add(c.pace.Interval)
	return true
}

func (d *dumbLine) remove(dead func(*dumbClaim) bool) { d.claims = slices.DeleteFunc(d.claims, dead) }

func (d *dumbLine) sweep(now time.Time) {
	d.remove(func(c *dumbClaim) bool { return !now.Before(c.expiry) })
}

func (d *dumbLine) claim(id string, limit int, pace gcra.Pace, once bool, now, expiry time.Time) int64 {
	if d.find(id) == nil {
		d.claims = append(d.claims, &dumbClaim{id: id, limit: limit, pace: pace, expiry: expiry})
	}
	d.serve(now)
	if !d.find(id).held {
		d.sweep(now)
		d.serve(now)
	}
	c := d.find(id)
	if c == nil {
		return claimAbsent
	}
	if !c.held && once {
		d.remove(func(c *dumbClaim) bool { return c.id == id })
		return claimAbsent
	}
	return c.state()
}

func (c *dumbClaim) state() int64 {
	switch {
	case c == nil:
		return claimAbsent
	case c.revoked:
		return claimRevoked
	case c.held:
		return claimHolds
	}
	return claimWaits
}

func TestScriptDoesWhatTheModelDoes(t *testing.T) {
	const steps = 4000
	did := counts.Of{}
	faultnet.EachSeed(t, "BERTH_REDIS_LINES", 1, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			did["grants-from-the-line"] += compare(t, seed, steps)
			did["steps"] += steps
		})
	})
	counts.Report(t, did)
}

// compare does so many steps with the script and its model, and returns how many slots
// were granted from the line.
func compare(t *testing.T, seed uint64, steps int) (grants int) {
	p := pair{h: newWorld(t).byHand("k"), rng: rand.New(rand.NewPCG(seed, 0))}
	// A step that needs a claim is a claim itself while there is none.
	kinds := []func(*dumbClaim){p.claim, p.claim, p.claim, p.copy, p.leave, p.leave, p.beat, p.beat, p.wait, p.rest, p.revoke}
	for range steps {
		kind := kinds[p.rng.IntN(len(kinds))]
		if len(p.d.claims) == 0 {
			kind = p.claim
		}
		var c *dumbClaim
		if n := len(p.d.claims); n > 0 {
			c = p.d.claims[p.rng.IntN(n)]
		}
		kind(c)
		p.d.promise(t)
	}
	return p.grants
}

// A pair is the script and its model, to which the same is done.
type pair struct {
	h      *byHand
	d      dumbLine
	rng    *rand.Rand
	number uint64
	grants int // from the line
}

func (p *pair) claim(*dumbClaim) {
	if len(p.d.claims) == 8 {
		return
	}
	p.number++
	limit, mode := 1+p.rng.IntN(3), []string{"line", "line", "try"}[p.rng.IntN(3)]
	pace := gcra.Pace{}
	if p.rng.IntN(2) == 0 {
		pace = gcra.Pace{Interval: time.Duration(1+p.rng.IntN(20)) * 100 * time.Millisecond, Burst: 1 + p.rng.Int64N(3)}
	}
	id := claimID("session", p.number, limit, pace, "name")
	now := time.Now()
	want := p.d.claim(id, limit, pace, mode == "try", now, now.Add(p.h.lease))
	require.Equal(p.h.t, want, p.h.claim(id, mode), "%s %s", mode, id)
}

// copy repeats the request of a claim.
func (p *pair) copy(c *dumbClaim) {
	if c.revoked {
		return
	}
	now := time.Now()
	want := p.d.claim(c.id, c.limit, c.pace, false, now, now.Add(p.h.lease))
	require.Equal(p.h.t, want, p.h.claim(c.id, "line"), "a copy of %s", c.id)
}

func (p *pair) leave(c *dumbClaim) {
	p.d.remove(func(o *dumbClaim) bool { return o == c })
	p.d.serve(time.Now())
	p.h.call("leave", "0", c.id)
}

func (p *pair) beat(*dumbClaim) {
	now := time.Now()
	var ids []string
	waited := 0
	for _, c := range p.d.claims {
		if p.rng.IntN(3) == 0 {
			continue
		}
		ids = append(ids, c.id)
		if !c.revoked {
			c.expiry = now.Add(p.h.lease)
		}
		if !c.held {
			waited++
		}
	}
	p.d.sweep(now)
	p.d.serve(now)
	var want []int64
	for _, id := range ids {
		want = append(want, p.d.find(id).state())
		if want[len(want)-1] == claimWaits {
			waited--
		}
	}
	p.grants += max(waited, 0)
	require.Equal(p.h.t, want, p.h.states(ids...), "of %v", ids)
}

func (p *pair) wait(*dumbClaim) {
	time.Sleep(time.Duration(p.rng.Int64N(p.h.lease.Milliseconds())) * time.Millisecond)
}

func (p *pair) rest(*dumbClaim) {
	now := time.Now()
	rest := time.Duration(p.rng.IntN(4)) * 500 * time.Millisecond
	if end := now.Add(rest); rest == 0 || end.After(p.d.resting) {
		p.d.resting = end
	}
	p.d.serve(now)
	p.h.call("pause", rest.Milliseconds())
}

func (p *pair) revoke(c *dumbClaim) {
	if !c.held || c.revoked {
		return
	}
	number, err := p.h.client.ZScore(p.h.t.Context(), p.h.keys[0], "l"+c.id).Result()
	require.NoError(p.h.t, err)
	require.Equal(p.h.t, int64(1), p.h.call("revoke", int64(number))[0])
	require.Equal(p.h.t, int64(0), p.h.call("revoke", int64(number))[0], "it was taken back before")
	c.revoked = true
}

// promise fails unless the claims that are held keep what each was promised: no more
// are held than its limit.
func (d *dumbLine) promise(t *testing.T) {
	t.Helper()
	held := 0
	for _, c := range d.claims {
		if c.held {
			held++
		}
	}
	for _, c := range d.claims {
		require.False(t, c.held && held > c.limit, "a slot with limit %d is one of %d", c.limit, held)
	}
}

func TestACopyOfARequestThatComesAfterTheReleaseClaimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld(t).byHand("k")
		require.Equal(t, claimHolds, h.claim("s:1:1:n", "line"))
		h.call("leave", "1", "s:1:1:n")
		require.Equal(t, claimAbsent, h.claim("s:1:1:n", "line"))
		require.Equal(t, claimHolds, h.claim("s:2:1:n", "try"), "nobody has the slot")
		time.Sleep(6 * h.lease)
		h.call("leave", "1", "s:2:1:n")
		time.Sleep(5 * h.lease)
		h.call("leave", "1", "s:3:1:n")
		n, err := h.client.ZCard(t.Context(), h.keys[2]).Result()
		require.NoError(t, err)
		require.Equal(t, int64(2), n, "what no copy can be of any more is forgotten")
		time.Sleep(11 * h.lease)
		n, err = h.client.Exists(t.Context(), h.keys[2]).Result()
		require.NoError(t, err)
		require.Zero(t, n, "and then all of it: a claim of a line that nobody wants is quick again")
	})
}

// The pause ends by itself, and a copy of the first claim's request is the first that the
// server hears of the line.
func TestACopyOfARequestServesThoseBehindItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld(t).byHand("k")
		h.call("pause", 1000)
		require.Equal(t, claimWaits, h.claim("s:1:2:n", "line"))
		require.Equal(t, claimWaits, h.claim("s:2:2:n", "line"))
		time.Sleep(1001 * time.Millisecond)
		require.Equal(t, claimHolds, h.claim("s:1:2:n", "line"))
		n, err := h.client.ZCount(t.Context(), h.keys[0], "-inf", "1000").Result()
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
	})
}

func TestOneCallOfTheScriptGrantsABoundedNumberAndAsksForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld(t).byHand("k")
		h.call("pause", 1000)
		var ids []string
		for i := range 150 {
			id := claimID("s", uint64(i), 200, gcra.Pace{}, "n")
			require.Equal(t, claimWaits, h.claim(id, "line"))
			ids = append(ids, id)
		}
		require.Equal(t, int64(0), h.call("pause", 0)[0], "at once again")
		held := func() int64 {
			n, err := h.client.ZCount(t.Context(), h.keys[0], "-inf", "1000").Result()
			require.NoError(t, err)
			return n
		}
		require.Equal(t, int64(64), held())
		require.Equal(t, int64(0), h.call("beat")[0])
		require.Equal(t, int64(128), held())
		require.Equal(t, int64(-1), h.call("beat")[0])
		require.Equal(t, int64(150), held())
		require.Equal(t, claimHolds, h.states(ids[149])[0])
	})
}

func TestWhatADeadFleetLeavesBehindIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.byHand("k")
		require.Equal(t, claimHolds, h.claim("s:1:1:n", "line"))
		require.Equal(t, claimWaits, h.claim("s:2:1:n", "line"))
		h.call("leave", "1", "s:3:1:n")
		for _, key := range w.db.Keys() {
			require.Positive(t, w.db.TTL(key), key)
		}
		require.Len(t, w.db.Keys(), 3)
		time.Sleep(time.Hour + time.Second)
		require.Empty(t, w.db.Keys())
	})
}
