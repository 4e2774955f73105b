package stacktest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// longestHistory is how many operations a history has at most.
const longestHistory = 300

// TestConcurrentHistoriesAreLinearizable has several connections at once
// claim, renew and release slots of a server, also with tokens of each other,
// and lets leases run out and connections close. For each such history there
// must be one order of all that happened which explains every answer. The
// grants must be in the order of the line, too.
func TestConcurrentHistoriesAreLinearizable(t *testing.T) {
	histories, operations := 0, 0
	seen := map[string]int{}
	faultnet.EachSeed(t, "BERTH_HISTORIES", 1000, func(seed uint64) {
		h := record(t, seed)
		require.NoErrorf(t, check.Linearizable(h.ops, h.mixed, time.Minute), "seed %d", seed)
		require.Emptyf(t, check.OutOfOrder(h.claims), "seed %d", seed)
		histories++
		operations += len(h.ops)
		for _, op := range h.ops {
			seen[fmt.Sprint(op.Action, op.OK)]++
		}
	})
	// Kinds of answers: to acquire, release and renew both, and to expire.
	counts.Report(t, counts.Of{"histories": histories, "operations": operations, "kinds-of-answers": len(seen)})
}

// A history is what several connections did with one server, and saw.
type history struct {
	limit  int  // the largest, if it is mixed
	mixed  bool // claims have different limits
	leases int  // in seconds
	strict bool
	clock  *check.Clock

	mu     sync.Mutex // guards what follows
	left   int        // operations to go
	ops    []check.Operation
	claims []check.Claim
	grants []*grant
}

// A grant is a token that somebody got, and might use or not.
type grant struct {
	key, token string
	until      time.Time // when its lease ends, renewals included
	over       bool      // released, or its connection closed
}

func record(t *testing.T, seed uint64) (h *history) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 2))
		h = &history{
			limit: 1 + rng.IntN(3), leases: 1 + rng.IntN(3), strict: rng.IntN(2) == 0,
			clock: check.NewClock(), left: 60 + rng.IntN(longestHistory-60), mixed: rng.IntN(3) == 0,
		}
		srv, err := server.Start(t.Context(), server.WithInMemory(), server.WithAutoRelease(!h.strict))
		require.NoError(t, err)
		defer srv.Close()
		var clients sync.WaitGroup
		for id := range 2 + rng.IntN(6) {
			clients.Go(func() { h.play(t, srv, id, rand.New(rand.NewPCG(seed, uint64(100+id)))) })
		}
		clients.Wait()
		h.expire()
	})
	return h
}

// more reports whether there is an operation left to do, and takes it.
func (h *history) more() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left--
	return h.left > 0
}

// expire adds the ends of the leases that nobody gave back.
func (h *history) expire() {
	for _, g := range h.grants {
		if !g.over && !g.until.After(time.Now()) {
			h.ops = append(h.ops, check.Operation{
				Client: 99, Key: g.key, Action: check.Expire, Token: g.token, OK: true,
				Call: h.clock.Start(g.until), End: h.clock.End(g.until),
			})
		}
	}
}

// play is one client: it does this and that, over one connection at a time.
func (h *history) play(t *testing.T, srv *server.Server, id int, rng *rand.Rand) {
	c := h.dial(t, srv)
	defer func() { h.hangUp(c, id) }()
	for h.more() {
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		switch dice := rng.IntN(100); {
		case dice < 20:
			h.claim(t, c, id, key, h.some(rng), 0)
		case dice < 38:
			h.claim(t, c, id, key, h.some(rng), rng.IntN(3))
		case dice < 50:
			h.enqueue(t, c, id, key, h.some(rng), rng.IntN(3))
		case dice < 75:
			h.release(t, c, id, rng)
		case dice < 85:
			h.renew(t, c, id, rng)
		case dice < 87:
			h.hangUp(c, id)
			c = h.dial(t, srv)
		default:
			time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
		}
	}
}

// dial connects, and says that each claim brings its own limit if they do.
func (h *history) dial(t *testing.T, srv *server.Server) *rawConn {
	c := dialRaw(t, srv.Dial)
	if h.mixed {
		require.Equal(t, "ok", c.ask(t, "hello", "_", "1 limits")[0])
	}
	return c
}

// some returns the limit of a claim.
func (h *history) some(rng *rand.Rand) int {
	if h.mixed {
		return 1 + rng.IntN(h.limit)
	}
	return h.limit
}

// claim waits for a slot for so many seconds, in one request.
func (h *history) claim(t *testing.T, c *rawConn, id int, key string, limit, seconds int) {
	op := check.Operation{Client: id, Key: key, Action: check.Acquire, Limit: limit, Call: h.clock.Now()}
	sent := time.Now()
	h.claimed(t, c, op, c.ask(t, "sl", key, "%d %d %d", seconds, limit, h.leases), sent)
}

// enqueue takes a place in line, then waits.
func (h *history) enqueue(t *testing.T, c *rawConn, id int, key string, limit, seconds int) {
	op := check.Operation{Client: id, Key: key, Action: check.Acquire, Limit: limit, Call: h.clock.Now()}
	sent := time.Now()
	answer := c.ask(t, "se", key, "%d %d", limit, h.leases)
	if answer[0] == "error_already_enqueued" {
		return // this connection holds a slot of the key from an earlier enqueue
	}
	if answer[0] == "queued" {
		answer = c.ask(t, "sw", key, "%d", seconds)
	}
	h.claimed(t, c, op, answer, sent)
}

func (h *history) claimed(t *testing.T, c *rawConn, op check.Operation, answer []string, sent time.Time) {
	op.End = h.clock.Now()
	var lease time.Duration
	op.Token, lease, op.OK = granted(t, answer)
	require.Truef(t, op.OK || answer[0] == "timeout", "answer to a claim: %v", answer)
	cl := check.Claim{Key: op.Key, ID: fmt.Sprint(op.Call), Sent: sent, Answered: sent, Left: !op.OK}
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.OK {
		cl.Granted = time.Now()
		g := &grant{key: op.Key, token: op.Token, until: time.Now().Add(lease)}
		h.grants = append(h.grants, g)
		c.grants = append(c.grants, g)
	}
	h.ops = append(h.ops, op)
	h.claims = append(h.claims, cl)
}

// pick returns one of the last grants that anybody got, or nil.
func (h *history) pick(rng *rand.Rand) *grant {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.grants) == 0 {
		return nil
	}
	return h.grants[max(0, len(h.grants)-1-rng.IntN(6))]
}

func (h *history) release(t *testing.T, c *rawConn, id int, rng *rand.Rand) {
	g := h.pick(rng)
	if g == nil {
		return
	}
	op := check.Operation{Client: id, Key: g.key, Action: check.Release, Token: g.token, Call: h.clock.Now()}
	op.OK = c.ask(t, "sr", g.key, "%s", g.token)[0] == "ok"
	op.End = h.clock.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	g.over = g.over || op.OK
	h.ops = append(h.ops, op)
}

func (h *history) renew(t *testing.T, c *rawConn, id int, rng *rand.Rand) {
	g := h.pick(rng)
	if g == nil {
		return
	}
	op := check.Operation{Client: id, Key: g.key, Action: check.Renew, Token: g.token, Call: h.clock.Now()}
	op.OK = c.ask(t, "sn", g.key, "%s %d", g.token, h.leases)[0] == "ok"
	op.End = h.clock.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.OK {
		g.until = time.Now().Add(time.Duration(h.leases) * time.Second)
	}
	h.ops = append(h.ops, op)
}

// hangUp closes the connection: its slots go at once, or, on a strict server,
// when their leases end.
func (h *history) hangUp(c *rawConn, id int) {
	now := time.Now()
	c.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range c.grants {
		if h.strict || g.over || !g.until.After(now) {
			continue
		}
		g.over = true
		h.ops = append(h.ops, check.Operation{
			Client: 100 + id, Key: g.key, Action: check.Expire, Token: g.token, OK: true,
			Call: h.clock.Start(now), End: h.clock.End(now),
		})
	}
}
