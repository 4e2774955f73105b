package dflockd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ghostPause is the least time between two attempts of one Acquire.
const ghostPause = 200 * time.Millisecond

var errWaited = errors.New("the acquire timeout has passed")

// A holder is what [Semaphore] and [Lock] have in common, and that is all but
// their names: one claim at a time, on a connection of its own.
type holder struct {
	cfg    *config
	key    string
	limit  int
	verbs  *verbs
	server []string

	// mu guards what follows. It is not held while anything waits.
	mu    sync.Mutex
	e     *endpoint // of the last claim, or nil
	claim *claim    // the last one, or nil; it guards itself
	lease time.Duration
}

func newHolder(key string, limit int, v *verbs, opts []Option) (*holder, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := Fixed(key, limit).check(); err != nil {
		return nil, fmt.Errorf("dflockd: %w", err)
	}
	h := &holder{cfg: cfg, key: key, limit: limit, verbs: v, server: cfg.servers}
	if !cfg.cluster {
		i, err := cfg.shard(key)
		if err != nil {
			return nil, err
		}
		h.server = cfg.servers[i : i+1]
	}
	return h, nil
}

// open starts a claim and waits until it has a slot or a place in line.
func (h *holder) open(ctx context.Context, tryOnly bool, opts []OpenOption) (*claim, error) {
	e, cl, err := h.replace(tryOnly, newOpening(opts).force)
	if err != nil {
		return nil, err
	}
	if err := e.place(ctx, cl); err != nil {
		_ = h.shut(e, false)
		return cl, err
	}
	return cl, nil
}

// replace puts a new claim in the place of the last one, which is cut if it is
// not over and force is given.
func (h *holder) replace(tryOnly, force bool) (*endpoint, *claim, error) {
	h.mu.Lock()
	last := h.e
	if h.live() && !force {
		h.mu.Unlock()
		return nil, nil, &Error{Op: "claim", Key: h.key, Err: ErrAlreadyConnected}
	}
	e := newEndpoint(h.cfg, h.server...)
	e.inherit(last)
	cl := &claim{
		key: h.key, name: h.key, limit: int64(h.limit), verbs: h.verbs,
		tryOnly: tryOnly, alone: true, patient: true,
	}
	cl.lost = func(token string) { go h.lost(e, token) }
	h.e, h.claim = e, cl
	h.mu.Unlock()
	if last != nil {
		_ = h.shut(last, false)
	}
	return e, cl, nil
}

// inherit takes over what is known about the server: how often it may be
// dialled, and that it refuses the secret.
func (e *endpoint) inherit(last *endpoint) {
	if last == nil {
		return
	}
	last.lock()
	defer last.unlock()
	e.gate, e.lastErr, e.fatal, e.leader = last.gate, last.lastErr, last.fatal, last.leader
	e.gate.probing = false // a dial of the last one ends with it
}

// live reports whether the last claim is not over. Caller holds mu.
func (h *holder) live() bool {
	if h.claim == nil {
		return false
	}
	h.e.lock()
	defer h.e.unlock()
	return h.claim.stage != stageDone && !h.e.closing
}

// shut closes the connection of e, with or without giving back its slot.
func (h *holder) shut(e *endpoint, giveBack bool) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), closeTimeout, errClose)
	defer cancel()
	return e.close(ctx, giveBack)
}

// lost closes the connection of a lost slot and then tells the user.
func (h *holder) lost(e *endpoint, token string) {
	_ = h.shut(e, false)
	if h.cfg.onLost != nil {
		h.cfg.onLost(h.key, token)
	}
}

// current returns the last claim and its endpoint, or nil.
func (h *holder) current() (*endpoint, *claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.e, h.claim
}

// held notes that the claim has its slot.
func (h *holder) held(cl *claim) {
	cl.e.lock()
	cl.take()
	length := cl.lease.length
	cl.e.unlock()
	h.mu.Lock()
	h.lease = length
	h.mu.Unlock()
}

// Acquire claims the slot: it connects, joins the line and waits for at most
// the acquire timeout. It returns false without an error when that has passed;
// the place in line is given up then. It returns [ErrAlreadyConnected] if a
// slot or a place is held, unless [Force] is given, and slot.ErrUnavailable if
// the server cannot be reached. When ctx ends first, the error is its cause.
func (h *holder) Acquire(ctx context.Context, opts ...OpenOption) (bool, error) {
	if h.cfg.acquireTimeout == 0 {
		return h.try(ctx, opts)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.acquireTimeout, errWaited)
	defer cancel()
	for {
		ok, err := h.acquire(ctx, opts)
		if !errors.Is(err, errGhost) {
			return ok, err
		}
		// The grant ran out before it reached us. Join the line again, slowly.
		select {
		case <-time.After(ghostPause):
		case <-ctx.Done():
			return false, err
		}
	}
}

func (h *holder) try(ctx context.Context, opts []OpenOption) (bool, error) {
	cl, err := h.open(ctx, true, opts)
	if errors.Is(err, errNoneFree) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h.held(cl)
	return true, nil
}

func (h *holder) acquire(ctx context.Context, opts []OpenOption) (bool, error) {
	_, err := h.open(ctx, false, opts)
	if errors.Is(err, errWaited) {
		return false, &Error{Op: "claim", Key: h.key, Err: unavailable(fmt.Errorf("no answer: %w", err))}
	}
	if err != nil {
		return false, err
	}
	return h.wait(ctx)
}

// Enqueue is the first phase of Acquire: it connects and joins the line. It
// returns [Acquired] if the slot was free, and [Queued] otherwise; then Wait
// is the second phase. It never waits for other holders. Errors are those of
// Acquire.
func (h *holder) Enqueue(ctx context.Context, opts ...OpenOption) (Status, error) {
	cl, err := h.open(ctx, false, opts)
	if err != nil {
		return 0, err
	}
	cl.e.lock()
	granted := cl.stage == stageHeld
	cl.e.unlock()
	if !granted {
		return Queued, nil
	}
	h.held(cl)
	return Acquired, nil
}

// Wait is the second phase of Acquire: it blocks until the slot is granted or
// the acquire timeout has passed. Then it returns false, and the place in line
// is given up. It returns true at once if the slot is held already. It returns
// [ErrClosed] if there was no Enqueue, and slot.ErrUnavailable if the place
// was lost with its connection: then the next Enqueue is at the end of the line.
func (h *holder) Wait(ctx context.Context) (bool, error) {
	return h.WaitFor(ctx, h.cfg.acquireTimeout)
}

// WaitFor is Wait with a timeout of its own. With 0 it tells whether the slot
// is granted now, and gives up the place if it is not.
func (h *holder) WaitFor(ctx context.Context, timeout time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
	defer cancel()
	return h.wait(ctx)
}

func (h *holder) wait(ctx context.Context) (bool, error) {
	e, cl := h.current()
	if cl == nil || cl.over() {
		return false, h.closed("wait")
	}
	_, err := (*ticket)(cl).Wait(ctx)
	if err == nil {
		h.held(cl)
		return true, nil
	}
	_ = h.shut(e, false)
	if errors.Is(err, errWaited) {
		return false, nil
	}
	return false, err
}

// WithLock acquires the slot, runs fn and releases the slot, even if fn
// panics. The context that fn gets ends when ctx does, and with cause
// slot.ErrLost when the slot is lost. WithLock returns [ErrTimeout] if the
// slot was not granted within the acquire timeout, the errors of Acquire, or
// else what fn returned, joined with the error of a release that failed.
func (h *holder) WithLock(ctx context.Context, fn func(context.Context) error) (err error) {
	ok, err := h.Acquire(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{Op: "claim", Key: h.key, Err: fmt.Errorf("%w: it took longer than %v (see WithAcquireTimeout)", ErrTimeout, h.cfg.acquireTimeout)}
	}
	defer func() { err = errors.Join(err, h.Release()) }()
	return runUnder(ctx, h.Context(), fn)
}

// runUnder runs fn with a context that ends when ctx or the slot does.
func runUnder(ctx, held context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	stop := context.AfterFunc(held, func() { cancel(context.Cause(held)) })
	defer stop()
	return fn(ctx)
}
