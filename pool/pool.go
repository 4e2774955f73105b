package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/slot"
)

// A Pool runs jobs on a bounded number of workers, under slots if it was given
// a source of them. It is safe for concurrent use.
type Pool struct {
	cfg *config
	src slot.Source // nil: no slots
	// joiner is src if that can tell of grants and nobody wants to know when a
	// claim is in line, or nil.
	joiner slot.Joiner
	chain  Job      // the middleware around jobOf; nil if there is none
	hooks  *hookSet // nil if there are none
	bare   bool     // it has neither middleware nor hooks, so that a job of Go needs no task
	lean   bool     // nor slots

	base     context.Context // of jobs without a task; ends with a forced shutdown
	baseEnd  context.CancelCauseFunc
	claimCtx context.Context // of claims; ends when no job needs one any more
	claimEnd context.CancelCauseFunc

	// mu guards what follows, all lanes and groups. It is held for moments
	// only: never while a job, a hook or the source is called.
	mu         mutex
	inbox      inbox
	spareInbox []item // the inbox's other buffer, empty
	aside      bool   // whoever holds mu has left the inbox alone
	lanes      map[string]*lane
	plain      *lane // of jobs without a key, in a pool without slots
	lastLane   *lane // the one that was asked for last
	spareLanes []*lane
	groups     map[string]*group // with slots
	all        group             // without
	queued     int               // jobs in lanes
	submitted  int64
	starved    ring[*lane] // lanes that wait for room in all

	workers []*worker
	idle    []*worker // the one that rests since last is called first
	target  int       // how many workers there should be
	calling bool      // a worker is on its way to look for jobs
	picked  *worker   // it is woken when mu is unlocked; nil if none is
	batches int       // workers that may have jobs which they have not started
	look    int       // whose batch was looked at last

	wanting   ring[*group] // groups to claim for
	grants    ring[*hold]  // slots that wait for a worker
	held      int
	sweeping  bool // it will be looked whether slots are held for long
	withdraws bool // it will be looked whether grants have waited too long
	inLine    int  // claims in line, or about to be

	delays  delays
	waiting int // tasks among them
	timer   *time.Timer

	inline      map[*Task]struct{} // tasks that run on the goroutine of a job that waits
	nests       map[any]*nest      // by the job that waits, a *Task or a *worker
	idleSignal  chan struct{}      // closed when no job is left, then made anew
	closing     bool
	ended       bool
	workersGone chan struct{} // closed when the last worker has ended after closing

	failing     int       // groups whose claims fail
	troubleSaid time.Time // when that was said last

	claims, reused, unneeded, failedClaims, refusedClaims int64

	retired counts // of workers that have ended

	// attention tells workers that have taken several jobs that one was queued
	// which may go before those.
	attention  atomic.Bool
	watchers   atomic.Int32 // of Wait
	lost       atomic.Int64
	overruns   atomic.Int64
	hookPanics atomic.Int64
	others     counts // of what no worker ran

	failures  failures
	returning sync.WaitGroup // grants that found no worker and are on their way back; added to under mu
	alive     sync.WaitGroup // every goroutine of the pool
	done      chan struct{}  // closed when all of them have ended after closing
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
		cfg: cfg, src: cfg.source, chain: chain, target: cfg.workers,
		lanes: map[string]*lane{}, groups: map[string]*group{}, inline: map[*Task]struct{}{}, nests: map[any]*nest{},
		idleSignal: make(chan struct{}), workersGone: make(chan struct{}), done: make(chan struct{}),
	}
	if len(cfg.hooks) > 0 {
		p.hooks = &hookSet{p: p, list: cfg.hooks}
	}
	if p.src == nil {
		p.plain = p.laneOf("", "")
	} else if p.hooks == nil {
		p.joiner, _ = p.src.(slot.Joiner)
	}
	p.bare = p.chain == nil && p.hooks == nil
	p.lean = p.bare && p.src == nil
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

// Resize changes the number of workers. Fewer take effect as workers finish
// what they run. It does not block.
func (p *Pool) Resize(workers int) error {
	if workers < 1 {
		return fmt.Errorf("pool: Resize to %d workers: there must be at least 1", workers)
	}
	workers = min(workers, mostWorkers)
	p.lock()
	if p.closing {
		p.unlock()
		return ErrClosed
	}
	p.target += workers - p.cfg.workers // keeps what is lent to jobs that wait
	p.cfg.workers = workers
	if len(p.workers) > p.target {
		p.dismissIdle()
	} else if p.queued > 0 {
		p.callWorker()
	}
	p.unlock()
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
	p.watchers.Add(1)
	defer p.watchers.Add(-1)
	p.lock()
	for p.pending() > 0 {
		signal := p.idleSignal
		p.unlock()
		select {
		case <-signal:
			return p.failures.take()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.unlock()
	return p.failures.take()
}

// pending returns how many accepted jobs have no result yet; the caller holds mu.
func (p *Pool) pending() int64 {
	n := p.submitted - p.retired.settled() - p.others.settled()
	for _, w := range p.workers {
		n -= w.counts.finished()
	}
	if n > 0 {
		return n
	}
	for _, w := range p.workers {
		if t := w.current.Load(); t != nil && t.State() == StateRunning {
			n++ // counted, and about to be told its result
		}
	}
	return n
}

// tellWaiters lets Wait look, if anybody waits.
func (p *Pool) tellWaiters() {
	if p.watchers.Load() > 0 {
		p.lock()
		p.noteIdle()
		p.unlock()
	}
}

// noteIdle wakes those who wait for the pool to have no job; the caller holds mu.
func (p *Pool) noteIdle() {
	if p.watchers.Load() > 0 && p.pending() == 0 {
		close(p.idleSignal)
		p.idleSignal = make(chan struct{})
	}
}

func (p *Pool) isClosing() bool {
	p.lock()
	defer p.unlock()
	return p.closing
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
