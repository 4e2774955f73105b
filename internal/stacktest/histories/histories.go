// Package histories records what claimants of several sources see of semaphores that
// they share, so that [check.Linearizable] can say whether one order of all that
// happened explains it. It knows nothing of any engine.
package histories

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/slot"
)

const (
	keys        = 2
	mostAtOnce  = 3  // the highest limit that a claim draws
	patience    = 20 // units that a claim waits at most
	restBetween = 3  // units at most between two claims
)

// Limits are what the sources have to be made with: each claim draws its own.
func Limits() slot.Limits {
	return slot.LimitBy(func(key string) (string, int, error) {
		name, limit, _ := strings.Cut(key, "/")
		n, err := strconv.Atoi(limit)
		return name, n, err
	})
}

// A Play says who claims what.
type Play struct {
	Seed      uint64
	Sources   []slot.Source // made with Limits
	Claimants int           // of each source
	Claims    int           // of all claimants together
	// Unit is what times are drawn in: a slot is held for a few, a claim waits for up
	// to twenty.
	Unit time.Duration
	// Long is how long a slot is held now and then, and a claim waits: longer than a
	// lease.
	Long time.Duration
}

// A History is what was seen.
type History struct {
	Operations []check.Operation
	Claims     int // that were made
	Grants     int
	Lost       int // slots, abandoned ones included
	Given      int // places in line that were given up
}

// Add adds another history, to count both.
func (h *History) Add(other History) {
	h.Operations = append(h.Operations, other.Operations...)
	h.Claims += other.Claims
	h.Grants += other.Grants
	h.Lost += other.Lost
	h.Given += other.Given
}

// String says how much happened.
func (h History) String() string {
	return fmt.Sprintf("%d operations, %d claims, %d grants, %d slots lost, %d places given up",
		len(h.Operations), h.Claims, h.Grants, h.Lost, h.Given)
}

// Record has the claimants claim, hold, release, abandon and give up at random, until
// they have made their claims.
func Record(ctx context.Context, p Play) History {
	r := &recorder{play: p}
	var claimants sync.WaitGroup
	for i, src := range p.Sources {
		for j := range p.Claimants {
			c := &claimant{
				recorder: r, src: src, id: i*p.Claimants + j,
				rng: rand.New(rand.NewPCG(p.Seed, uint64(i*p.Claimants+j))),
			}
			claimants.Go(func() { c.run(ctx) })
		}
	}
	claimants.Wait()
	return r.history
}

// A recorder notes what happens. Its clock counts events: a number that was drawn
// before something began is less than one that was drawn when something else had
// ended, which is all that an order of events needs.
type recorder struct {
	play  Play
	taken atomic.Int64 // claims
	clock atomic.Int64

	mu      sync.Mutex // guards what follows
	history History
	held    []*holding
}

// A holding is a slot that somebody has.
type holding struct {
	slot  slot.Slot
	op    check.Operation
	alive int64 // it was held after this time
}

func (r *recorder) now() int64 { return r.clock.Add(1) }

// granted notes a slot that was claimed. Each other slot of the key whose context has
// not ended by now is still held.
func (r *recorder) granted(op check.Operation, s slot.Slot) *holding {
	op.End, op.OK = r.now(), true
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &holding{slot: s, op: op, alive: op.End}
	r.history.Operations = append(r.history.Operations, op)
	r.history.Grants++
	for _, other := range r.held {
		if other.op.Key == op.Key {
			r.look(other)
		}
	}
	r.held = append(r.held, h)
	return h
}

// look notes that a slot is held, if it is. Caller holds mu.
func (r *recorder) look(h *holding) {
	at := r.now()
	if h.slot.Context().Err() != nil {
		return
	}
	h.alive = at
	r.note(h, check.Renew, at, r.now())
}

// note adds what became of a slot. Caller holds mu.
func (r *recorder) note(h *holding, a check.Action, call, end int64) {
	op := h.op
	op.Action, op.Call, op.End, op.OK = a, call, end, true
	r.history.Operations = append(r.history.Operations, op)
}

// never is the end of what the engine may learn at any time later.
const never = math.MaxInt64

// release gives a slot back. The engine learns it at some time after that.
func (r *recorder) release(h *holding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(h)
	r.look(h)
	call := r.now()
	if err := h.slot.Release(); errors.Is(err, slot.ErrLost) {
		r.ended(h)
		return
	}
	r.note(h, check.Release, call, never)
}

// lost notes that a context has ended by itself.
func (r *recorder) lost(h *holding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(h)
	r.ended(h)
}

// ended notes that a slot was lost some time after it was last seen to be held. Caller
// holds mu.
func (r *recorder) ended(h *holding) {
	r.history.Lost++
	r.note(h, check.Expire, h.alive, never)
}

func (r *recorder) forget(h *holding) {
	for i, other := range r.held {
		if other == h {
			r.held = append(r.held[:i], r.held[i+1:]...)
			return
		}
	}
}

// count adds to a number of the history.
func (r *recorder) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// A claimant makes one claim after the other.
type claimant struct {
	*recorder
	src slot.Source
	id  int
	rng *rand.Rand
	n   int // claims that it has made
}

func (c *claimant) run(ctx context.Context) {
	for c.taken.Add(1) <= int64(c.play.Claims) {
		c.count(&c.history.Claims)
		c.claim(ctx)
		pause(ctx, c.draw(restBetween))
	}
}

// draw returns a time of up to so many units.
func (c *claimant) draw(most int) time.Duration {
	return time.Duration(c.rng.IntN(most+1)) * c.play.Unit
}

// claim makes a claim, and holds what it is granted.
func (c *claimant) claim(ctx context.Context) {
	c.n++
	limit := 1 + c.rng.IntN(mostAtOnce)
	name := fmt.Sprint("k", c.rng.IntN(keys))
	op := check.Operation{
		Client: c.id, Key: name, Action: check.Acquire, Limit: limit, Token: fmt.Sprint(c.id, "-", c.n),
	}
	wait := c.draw(patience)
	if c.rng.IntN(40) == 0 {
		wait = c.play.Long
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	op.Call = c.now()
	s := c.ask(ctx, fmt.Sprint(name, "/", limit))
	if s == nil {
		return
	}
	c.hold(c.granted(op, s))
}

// ask claims a slot in one of the ways that there are. It returns nil if there was
// none.
func (c *claimant) ask(ctx context.Context, key string) slot.Slot {
	way := c.rng.IntN(4)
	if way == 0 {
		s, _, _ := slot.Try(ctx, c.src, key)
		return s
	}
	if j, ok := c.src.(slot.Joiner); ok && way == 1 {
		return c.join(ctx, j, key)
	}
	ticket, err := c.src.Enqueue(ctx, key)
	if err != nil {
		return nil
	}
	if way == 2 && c.rng.IntN(3) == 0 {
		c.count(&c.history.Given)
		_ = ticket.Close()
		return nil
	}
	s, err := ticket.Wait(ctx)
	if err != nil {
		c.count(&c.history.Given)
		return nil
	}
	return s
}

// told is a claimant of a source.
type told chan slot.Slot

func (t told) Granted(s slot.Slot) { t <- s }
func (t told) Refused(error)       { t <- nil }

func (c *claimant) join(ctx context.Context, j slot.Joiner, key string) slot.Slot {
	answer := make(told, 1)
	place, err := j.Join(ctx, key, answer)
	if err != nil {
		return nil
	}
	select {
	case s := <-answer:
		return s
	case <-ctx.Done():
		c.count(&c.history.Given)
		place.Leave()
		return <-answer
	}
}

// hold keeps a slot for a while, and ends it in one of the ways that there are.
func (c *claimant) hold(h *holding) {
	length := c.draw(4)
	switch c.rng.IntN(30) {
	case 0:
		length = c.play.Long
	case 1:
		if a, ok := h.slot.(slot.Abandoner); ok {
			a.Abandon()
			length = 2 * c.play.Long
		}
	}
	pause(h.slot.Context(), length)
	if h.slot.Context().Err() != nil && c.rng.IntN(2) == 0 {
		c.lost(h) // nobody calls Release
		return
	}
	c.release(h)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Check returns an error unless one order of events explains the history.
func (h History) Check() error {
	// Claims have different limits, and the places of waiters are not modelled: so a
	// claim that was refused says nothing, and none is recorded.
	return check.Linearizable(h.Operations, true, time.Minute)
}
