package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// A hub is where connections meet: the lock table, its mutex, its clock and
// its timer.
//
// Lock order: hub.mu, then conn.mu. Nobody takes hub.mu while holding a
// conn.mu.
type hub struct {
	start  time.Time
	ticked func()        // called, without mu, when something that was due is done
	more   chan struct{} // the table has left work for runTimer

	mu       sync.Mutex // guards what follows; never held across I/O
	table    *locktable.Table
	list     wire.ServerList // of the clients that last claimed and had said one
	answered tally
	armed    time.Duration // when the timer fires; never: it is off
	timer    *time.Timer
	random   randomer // of tokens
}

func newHub(cfg config) *hub {
	now := time.Now()
	h := &hub{start: now, armed: never, timer: time.NewTimer(never), more: make(chan struct{}, 1)}
	h.table = locktable.New(locktable.Config{
		MaxKeys:     cfg.maxLocks,
		MaxWaiters:  cfg.maxWaiters,
		MaxPlaces:   cfg.maxPlaces,
		MaxSlots:    cfg.maxSlots,
		KeepOnClose: !cfg.autoRelease,
		Grace:       cfg.startupGrace,
		Fence:       uint64(now.UnixNano()),
		Random:      h.random.uint64,
		Note:        h.noter(cfg),
	})
	h.armLocked(0)
	return h
}

// now is the table's time: since the server started, on the monotonic clock.
func (h *hub) now() time.Duration { return time.Since(h.start) }

// call runs one request on the table. A Status of 0 in the result means that
// c waits, and that settle will answer it.
func (h *hub) call(now time.Duration, c *conn, r *wire.Request, key []byte) locktable.Result {
	h.mu.Lock()
	if c.gone {
		h.mu.Unlock()
		return locktable.Result{Status: wire.Error}
	}
	if claims(r.Command) && !h.sameListLocked(c) {
		h.mu.Unlock()
		return errOtherList
	}
	mixtures := h.table.Mixtures()
	res := h.apply(now, c, r, key)
	mixed := h.table.Mixtures() != mixtures
	if c.srv.cfg.trace != nil {
		c.noteAnswer(r, key, res)
	}
	h.answered.add(res)
	if res.Status == 0 {
		c.beginWait(r.Tag)
	}
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	if res.Bound != 0 {
		c.srv.log.warn("refused a claim: "+res.Bound.String()+" reached", "peer", c.ip, "conn", c.lc.ID)
	}
	if mixed {
		c.srv.log.warn("claims of one key have different limits: each is kept, and those with larger ones may wait for the smallest",
			"key", string(key), "limit", r.Limit, "peer", c.ip, "conn", c.lc.ID)
	}
	return res
}

// apply is the one place where requests become calls of the table.
func (h *hub) apply(now time.Duration, c *conn, r *wire.Request, key []byte) locktable.Result {
	cl := locktable.Claim{
		Key: key, Tag: r.Tag, Limit: r.Limit, Pace: r.Pace,
		Lease:   c.srv.lease(r.Lease),
		Timeout: time.Duration(r.Timeout) * time.Second,
	}
	switch r.Command {
	case wire.Lock, wire.SemLock, wire.PacedLock:
		return h.table.Acquire(now, &c.lc, cl)
	case wire.Enqueue, wire.SemEnqueue, wire.PacedEnqueue:
		return h.table.Enqueue(now, &c.lc, cl)
	case wire.Wait, wire.SemWait:
		return h.table.Wait(now, &c.lc, cl)
	case wire.Leave:
		return h.table.Leave(now, &c.lc, cl)
	case wire.Release, wire.SemRelease:
		return h.table.Release(now, key, r.Token)
	case wire.Renew, wire.SemRenew:
		return h.table.Renew(now, key, r.Token, cl.Lease)
	}
	panic("bug: " + r.Command.String() + " is not for the table")
}

// say notes what the client of c says of itself in its hello. It counts for the
// claims that it makes from now on.
func (h *hub) say(c *conn, hello *wire.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !hello.List.None() {
		c.list, c.lc.Listed = hello.List, true
	}
	if hello.OwnLimits {
		c.lc.OwnLimits = true
	}
	if hello.Name != "" {
		c.lc.Name = hello.Name
	}
}

// settleLocked hands events to their connections, arms the timer, and has the
// work done that the table has left. It returns the connections that need a
// goroutine to write their answers; the caller runs them after unlocking.
func (h *hub) settleLocked(now time.Duration) (wake []*conn) {
	for _, ev := range h.table.Events() {
		h.answered.add(ev.Result)
		c := ev.Conn.Owner.(*conn)
		if c.answer(now, ev) {
			wake = append(wake, c)
		}
	}
	h.armLocked(now)
	if h.table.Pending() {
		select {
		case h.more <- struct{}{}:
		default: // runTimer knows
		}
	}
	return wake
}

// armLocked makes the timer fire when the table next has something to do. A
// timer that fires too early is left alone: that costs less than moving it
// with every renewal.
func (h *hub) armLocked(now time.Duration) {
	next, ok := h.table.Next()
	if !ok || next >= h.armed {
		return
	}
	h.armed = next
	h.timer.Reset(max(0, next-now))
}

// runTimer moves the table on when something is due or left to do, until ctx
// ends.
func (h *hub) runTimer(ctx context.Context) {
	defer h.timer.Stop()
	for {
		select {
		case <-h.timer.C:
			h.tick()
		case <-h.more:
			h.clear()
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) tick() {
	h.mu.Lock()
	now := h.now()
	h.armed = never
	h.table.Advance(now)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	if h.ticked != nil {
		h.ticked()
	}
}

// clear does a part of the work that the table has left. Between two parts
// those who wait for mu have it.
func (h *hub) clear() {
	h.mu.Lock()
	now := h.now()
	h.table.Clear(now)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	runtime.Gosched()
}

// drain stops all grants and answers those who wait.
func (h *hub) drain() {
	h.mu.Lock()
	now := h.now()
	h.table.Drain(now)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
}

// closeConn ends what c owned: at once what is usual, and the rest by and by.
// No request of c reaches the table after it.
func (h *hub) closeConn(c *conn) {
	h.mu.Lock()
	if c.gone {
		h.mu.Unlock()
		return
	}
	now := h.now()
	c.gone = true
	h.table.CloseConn(now, &c.lc)
	if !h.table.Pending() {
		h.mu.Unlock()
		return
	}
	h.table.Clear(now)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
}

// owns returns how many slots c holds and how many requests of it wait.
func (h *hub) owns(c *conn) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return c.lc.Held() + c.lc.Blocked()
}

// runAll gives each connection a goroutine that writes what it was answered, so
// that nobody else waits for a slow reader.
func runAll(wake []*conn) {
	for _, c := range wake {
		c.srv.tasks.Go(c.proceed)
	}
}

// lease returns the lease that a request for seconds gets; 0: none given.
func (s *Server) lease(seconds int64) time.Duration {
	lease := time.Duration(seconds) * time.Second
	if seconds == 0 {
		lease = s.cfg.defaultLease
	}
	if s.cfg.maxLease > 0 {
		lease = min(lease, s.cfg.maxLease)
	}
	return lease
}

// randomer is a stock of random numbers from the operating system.
type randomer struct {
	buf  [512]byte
	left []byte
}

func (r *randomer) uint64() uint64 {
	if len(r.left) < 8 {
		_, _ = rand.Read(r.buf[:]) // never fails: it would end the process
		r.left = r.buf[:]
	}
	n := binary.NativeEndian.Uint64(r.left)
	r.left = r.left[8:]
	return n
}
