package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/pool/internal/sched"
	"github.com/berth-go/berth/slot"
)

// A Pool runs jobs on a bounded number of workers, under slots if it was given
// a source of them. It is safe for concurrent use.
type Pool struct {
	cfg *config
	src slot.Source // nil: no slots
	// joiner is src if that tells of grants, and nobody wants to know of the line.
	joiner slot.Joiner
	chain  Job       // the middleware around jobOf; nil if there is none
	hooks  *hookSet  // nil if there are none
	bare   bool      // it has neither middleware nor hooks, so that a job of Go needs no task
	began  time.Time // the core's time counts from here

	base     context.Context // of jobs that nobody gave one; ends with a forced shutdown
	baseEnd  context.CancelCauseFunc
	claimCtx context.Context // of claims; likewise
	claimEnd context.CancelCauseFunc

	injected injection

	// mu guards what follows. It is held for moments only: never while a job, a
	// hook or the source is called.
	mu      mutex
	core    *sched.Core[item]
	spare   []item    // the injection queue's other buffer
	brought bool      // jobs of it that no worker was called for yet
	workers []*worker // by number
	agenda  agenda
	parents parents
	inline  map[*Task]struct{} // tasks that run on the goroutine of a job that waits
	nests   map[*Task]*nest    // by the job that waits
	idle    chan struct{}      // closed when no job is left, then made anew
	alive   int                // goroutines of the pool
	over    bool               // after Shutdown, none is left
	quiet   chan struct{}      // closed then

	sweeping                    bool          // it will be looked whether slots are held for long
	troubleSaid                 time.Duration // when it was said last that claims fail
	failedClaims, refusedClaims int64
	retired                     counts // of workers that have ended

	others                     counts // of what no worker ran
	lost, overruns, hookPanics atomic.Int64
	failures                   failures
	done                       chan struct{} // closed when a shutdown has done everything
}

// New returns a pool of at most the given number of workers, which start when
// there are jobs for them. It checks every option and starts nothing.
func New(workers int, opts ...Option) (*Pool, error) {
	cfg, err := newConfig(workers, opts)
	if err != nil {
		return nil, err
	}
	chain, err := buildChain(cfg.middleware)
	if err != nil {
		return nil, err
	}
	p := &Pool{
		cfg: cfg, src: cfg.source, chain: chain, began: time.Now(),
		inline: map[*Task]struct{}{}, nests: map[*Task]*nest{},
		idle: make(chan struct{}), quiet: make(chan struct{}), done: make(chan struct{}),
		agenda: agenda{alarm: sched.Never, set: sched.Never},
	}
	p.core = sched.New[item](cfg.core())
	if len(cfg.hooks) > 0 {
		p.hooks = &hookSet{p: p, list: cfg.hooks}
	}
	if p.hooks == nil {
		p.joiner, _ = p.src.(slot.Joiner)
	}
	p.bare = p.chain == nil && p.hooks == nil
	p.base, p.baseEnd = context.WithCancelCause(context.Background())
	p.claimCtx, p.claimEnd = context.WithCancelCause(context.Background())
	return p, nil
}

// slotKeyOf returns the key that slots for the jobs of a lane are claimed with.
// It is called without mu, since the function is the user's.
func (p *Pool) slotKeyOf(lane string) (key string, err error) {
	if p.cfg.slotKey == nil {
		return lane, nil
	}
	defer func() {
		if r := recover(); r != nil {
			key, err = "", fmt.Errorf("%w for the key %q: %v", ErrSlotKey, lane, r)
		}
	}()
	return p.cfg.slotKey(lane), nil
}

// limitOf returns how many slots of a slot key there are, 0 if that is not known.
// It is called without mu.
func (p *Pool) limitOf(slotKey string) (n int) {
	limiter, ok := p.src.(slot.Limiter)
	if !ok {
		return 0
	}
	defer func() { _ = recover() }() // what is wrong with the source is found by the claim
	if limit, ok := limiter.Limit(slotKey); ok {
		n = limit
	}
	return n
}

// Resize changes the number of workers. Fewer take effect as workers finish
// what they run. It does not block.
func (p *Pool) Resize(workers int) error {
	if workers < 1 {
		return fmt.Errorf("pool: Resize to %d workers: there must be at least 1", workers)
	}
	p.lock()
	defer p.unlock()
	if p.core.Draining() {
		return ErrClosed
	}
	p.core.Resize(p.now(), min(workers, mostWorkers))
	return nil
}

// Wait blocks until no job is queued, waits for its time or runs, or until ctx
// ends, whose cause it returns then. The pool stays open, and other goroutines
// may go on submitting. What jobs of Go have failed with since the last Wait is
// returned: the first 16 joined, and the number of the rest.
//
// A job of the pool that calls it with its own context gets ErrInside.
func (p *Pool) Wait(ctx context.Context) error {
	if isInside(ctx, p) {
		return ErrInside
	}
	p.lock()
	idle := p.idle
	p.core.Watch()
	p.unlock()
	select {
	case <-idle:
		return p.failures.take()
	default:
	}
	select {
	case <-idle:
		return p.failures.take()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waiterOf returns the task of p that runs and that ctx belongs to, or nil.
func waiterOf(ctx context.Context, p *Pool) *Task {
	if t, ok := ctx.Value(runKey{}).(*Task); ok && t.pool == p && t.isRunning() {
		return t
	}
	return nil
}

// isInside reports whether ctx is that of a job of p.
func isInside(ctx context.Context, p *Pool) bool { return waiterOf(ctx, p) != nil }

func (p *Pool) isClosing() bool {
	p.lock()
	defer p.unlock()
	return p.core.Draining()
}

// tryHere runs a job on this goroutine.
func tryHere(job Job, ctx context.Context) (err error) {
	if r := panics.Try(func() { err = job(ctx) }); r != nil {
		return newPanicError(r)
	}
	return err
}

// keptFailures is how many errors of Go jobs are kept until somebody asks.
const keptFailures = 16

// failures are the errors of jobs that nobody waits for.
type failures struct {
	mu   sync.Mutex // guards what follows
	errs []error
	more int
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) < keptFailures {
		f.errs = append(f.errs, err)
	} else {
		f.more++
	}
}

// take returns the errors joined, nil if there are none, and forgets them.
func (f *failures) take() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := f.errs
	if f.more > 0 {
		errs = append(errs, fmt.Errorf("pool: %d more jobs failed", f.more))
	}
	f.errs, f.more = nil, 0
	return errors.Join(errs...)
}

// report hands on the error of a job that nobody waits for.
func (p *Pool) report(err error) {
	if p.cfg.onError == nil {
		p.failures.add(err)
		return
	}
	contained(func() {
		defer p.caught()
		p.cfg.onError(err)
	})
}
