package dflockd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// retryPause is the least time between two attempts of one Acquire.
const retryPause = 200 * time.Millisecond

var errWaited = errors.New("the acquire timeout has passed")

// A holder is what [Semaphore] and [Lock] have in common, and that is all but
// their names: one claim at a time, on a connection of its own.
type holder struct {
	cfg   *config
	key   string
	limit int
	verbs *verbs
	none  context.Context // what Context returns without a slot
	e     *endpoint

	claim *claim // the last one, or nil; guarded by endpoint.mu
}

func newHolder(key string, limit int, v *verbs, opts []Option) (*holder, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := checkLimits(slot.Fixed(key, limit)); err != nil {
		return nil, fmt.Errorf("dflockd: %w", err)
	}
	servers := cfg.servers
	if !cfg.cluster {
		i, err := cfg.shard(key)
		if err != nil {
			return nil, err
		}
		servers = servers[i : i+1]
	}
	none, end := context.WithCancelCause(context.Background())
	end(&Error{Engine: engine, Op: "hold", Key: key, Err: ErrNotHeld})
	return &holder{cfg: cfg, key: key, limit: limit, verbs: v, none: none, e: newSingleEndpoint(cfg, servers...)}, nil
}

// open puts a new claim in the place of the last one, which is dropped if it is
// not over and force is given. Caller holds endpoint.mu.
func (h *holder) open(k kind, force bool) (*claim, error) {
	now := time.Now()
	if h.claim.phase().live() {
		if !force {
			return nil, &Error{Engine: engine, Op: "claim", Key: h.key, Err: ErrAlreadyConnected}
		}
		h.claim.drop(now)
	}
	cl := &claim{order: order{kind: k, key: h.key, name: h.key, limit: int64(h.limit), verbs: h.verbs}}
	if h.cfg.onLost != nil {
		cl.lost = func(token string) {
			go h.cfg.catch("the function of WithOnLost", func() { h.cfg.onLost(h.key, token) })
		}
	}
	cl.calls = &calls{}
	h.claim = cl
	h.e.begin(cl, now)
	return cl, nil
}

// Acquire claims the slot: it connects, joins the line and waits for at most
// the acquire timeout. It returns false without an error when that has passed
// and the place in line is given up, which takes a round trip and no more than
// 100 ms. With a timeout of 0 it asks the server
// whether a slot is free now. It returns [ErrAlreadyConnected] if a slot or a
// place is held, unless [Force] is given, [ErrClosed] if Close, Release or a
// Force of another goroutine ended the claim, and slot.ErrUnavailable if the server
// cannot be reached, see [WithWaitForServer]. When ctx ends first, the error is
// its cause.
func (h *holder) Acquire(ctx context.Context, opts ...OpenOption) (bool, error) {
	cl, err := h.acquire(ctx, opts)
	return cl != nil, err
}

// acquire is Acquire. Without a slot it returns nil.
func (h *holder) acquire(ctx context.Context, opts []OpenOption) (*claim, error) {
	o, err := h.opening(ctx, opts)
	if err != nil {
		return nil, err
	}
	if h.cfg.acquireTimeout == 0 {
		return h.claimOnce(ctx, kindSingleTry, o.force)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.acquireTimeout, errWaited)
	defer cancel()
	for {
		cl, err := h.claimOnce(ctx, kindSingle, o.force)
		if !h.worthRepeating(err) {
			return cl, err
		}
		o.force = false // what is claimed now is not ours
		if cause := pauseRetry(ctx); errors.Is(cause, errWaited) {
			return nil, err
		} else if cause != nil {
			return nil, &Error{Engine: engine, Op: "claim", Key: h.key, Err: cause}
		}
	}
}

// opening checks the arguments of a call that claims.
func (h *holder) opening(ctx context.Context, opts []OpenOption) (opening, error) {
	o, err := newOpening(opts)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return o, &Error{Engine: engine, Op: "claim", Key: h.key, Err: err}
	}
	return o, nil
}

// worthRepeating reports whether Acquire shall join the line again: the grant ran
// out before it reached us, or the server is away and shall be waited for.
func (h *holder) worthRepeating(err error) bool {
	return errors.Is(err, errGhost) || h.cfg.waitForServer && errors.Is(err, slot.ErrUnavailable)
}

func pauseRetry(ctx context.Context) error {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// claimOnce makes one claim and waits for its slot until ctx ends.
func (h *holder) claimOnce(ctx context.Context, k kind, force bool) (*claim, error) {
	h.e.lock()
	defer h.e.unlock()
	cl, err := h.open(k, force)
	if err != nil {
		return nil, err
	}
	ok, err := cl.waitUntil(ctx)
	if !ok {
		return nil, err
	}
	return cl, nil
}

// Enqueue is the first phase of Acquire: it connects and joins the line. It
// returns [Acquired] if the slot was free, and [Queued] otherwise; then Wait
// is the second phase. It never waits for other holders. Errors are those of
// Acquire.
//
// A place that no Wait waits for is kept for as long as the connection lives. A
// slot that is granted to it meanwhile is not renewed: it goes to the next in line
// when its lease ends, and Wait says so.
func (h *holder) Enqueue(ctx context.Context, opts ...OpenOption) (Status, error) {
	o, err := h.opening(ctx, opts)
	if err != nil {
		return 0, err
	}
	h.e.lock()
	defer h.e.unlock()
	cl, err := h.open(kindSingle, o.force)
	if err != nil {
		return 0, err
	}
	cl.calls.enqueue++
	err = h.e.await(ctx, cl, (*claim).placedOrOver)
	cl.calls.enqueue--
	switch {
	case cl.takeable():
		cl.take()
		return Acquired, nil
	case err != nil:
		cl.giveUp(time.Now())
		return 0, cl.wrap("claim", err)
	case errors.Is(cl.err, errNoneFree):
		return Queued, nil // it was, and another call has asked and given the place up
	case cl.settled():
		return 0, cl.told()
	default:
		return Queued, nil
	}
}

// placedOrOver reports whether Enqueue has something to tell. Caller holds
// endpoint.mu.
func (cl *claim) placedOrOver() bool { return cl.settled() || cl.stage.inLine() }

// Wait is the second phase of Acquire: it blocks until the slot is granted or
// the acquire timeout has passed. Then it returns false, and the place in line
// is given up. It returns true at once if the slot is held already. It returns
// [ErrClosed] if there was no Enqueue, or Close, Release or Force ended the claim
// meanwhile, and slot.ErrUnavailable if the place was lost with its connection:
// then the next Enqueue is at the end of the line.
//
// Several calls can wait at once. The place is given up by the last of them.
func (h *holder) Wait(ctx context.Context) (bool, error) {
	return h.WaitFor(ctx, h.cfg.acquireTimeout)
}

// WaitFor is Wait with a timeout of its own. With 0 it asks the server whether
// the slot is granted now, and gives up the place if it is not; but while another
// call waits, it says what is known and leaves the place alone.
func (h *holder) WaitFor(ctx context.Context, timeout time.Duration) (bool, error) {
	if timeout < 0 {
		return false, &Error{Engine: engine, Op: "wait", Key: h.key, Err: fmt.Errorf("the timeout %v is negative", timeout)}
	}
	h.e.lock()
	defer h.e.unlock()
	switch cl := h.claim; {
	case cl.phase() == phaseHeld:
		return true, nil
	case cl.phase() == phaseLost:
		return false, cl.err
	case !cl.phase().live():
		return false, h.closed("wait")
	case timeout == 0:
		return cl.askNow(ctx)
	default:
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
		defer cancel()
		return cl.waitUntil(ctx)
	}
}

// waitUntil waits for the slot until ctx ends. Caller holds endpoint.mu, which is
// free while it waits.
func (cl *claim) waitUntil(ctx context.Context) (bool, error) {
	now := time.Now()
	cl.calls.wait++
	if until, ok := ctx.Deadline(); ok && until.After(cl.calls.until) {
		cl.calls.until = until
	}
	if cl.stage == stagePlace {
		cl.wait(now)
	}
	err := cl.e.await(ctx, cl, (*claim).settled)
	cl.calls.wait--
	return cl.outcome(err)
}

// askNow asks the server whether the slot is granted, unless a wait that is under
// way will be told first. Caller holds endpoint.mu, which is free meanwhile.
func (cl *claim) askNow(ctx context.Context) (bool, error) {
	cl.calls.ask++
	err := cl.e.await(ctx, cl, (*claim).placedOrOver)
	if err == nil && cl.stage == stagePlace {
		cl.ask(time.Now())
	}
	if err == nil && cl.stage != stageWait {
		err = cl.e.await(ctx, cl, (*claim).askAnswered)
	}
	cl.calls.ask--
	if err == nil && !cl.settled() {
		return false, nil // others wait
	}
	return cl.outcome(err)
}

// askAnswered reports whether it is known if the slot is granted now. Caller holds
// endpoint.mu.
func (cl *claim) askAnswered() bool { return cl.stage != stageAsk && cl.stage != stageConfirm }

// outcome returns what a call that waited tells: err says why it waited no longer.
// Caller holds endpoint.mu.
func (cl *claim) outcome(err error) (bool, error) {
	if cl.takeable() && (err == nil || errors.Is(err, errWaited)) {
		cl.take()
		return true, nil
	}
	if err == nil {
		err = cl.told()
		if errors.Is(err, errNoneFree) {
			return false, nil
		}
		return false, err
	}
	inLine := cl.stage >= stagePlace
	cl.giveUp(time.Now())
	switch {
	case !errors.Is(err, errWaited):
		return false, cl.wrap("wait", err)
	case inLine:
		cl.seeOff()
		return false, nil
	default:
		return false, cl.wrap("claim", errs.Unavailable(fmt.Errorf("no answer: %w", err)))
	}
}

// seeOff waits for a moment until the place that was given up is gone on the server,
// too: whoever is told false and then releases another slot may count on that one
// not going there. Caller holds endpoint.mu, which is free meanwhile.
func (cl *claim) seeOff() {
	if cl.abandoned == nil {
		return // others wait on
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = cl.e.await(ctx, cl, (*claim).left)
}

// told returns why there is no slot, to a call that tells its caller. Caller holds
// endpoint.mu.
func (cl *claim) told() error {
	if cl.owner == ownerWaits {
		cl.owner = ownerKnows
	}
	return cl.gone()
}

// WithLock acquires the slot, runs fn and releases the slot, even if fn
// panics. The context that fn gets carries the values of ctx. It ends when ctx does,
// and with cause slot.ErrLost when the slot is lost: in that case it has ended, and
// so have contexts made from it, before anybody else can be granted the slot as far
// as Context promises that. WithLock returns [ErrTimeout] if the slot was not
// granted within the acquire timeout, the errors of Acquire, or else what fn
// returned: as it is, or joined with the error of a release that failed.
func (h *holder) WithLock(ctx context.Context, fn func(context.Context) error) (err error) {
	if fn == nil {
		return &Error{Engine: engine, Op: "claim", Key: h.key, Err: errors.New("WithLock needs a function")}
	}
	cl, err := h.acquire(ctx, nil)
	if err != nil {
		return err
	}
	if cl == nil {
		return &Error{Engine: engine, Op: "claim", Key: h.key, Err: fmt.Errorf("%w: it took longer than %v (see WithAcquireTimeout)", ErrTimeout, h.cfg.acquireTimeout)}
	}
	defer func() {
		if failed := h.release(cl); failed != nil && !errors.Is(err, failed) {
			err = errors.Join(err, failed)
		}
	}()
	under := linkctx.Under((*grant)(cl).Context(), ctx)
	defer under.Cancel(context.Canceled)
	return fn(under)
}
