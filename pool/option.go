package pool

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
	"github.com/berth-go/berth/slot"
)

// Defaults of the options.
const (
	defaultQueue      = 256
	defaultQueueTotal = 1024
	defaultReuse      = 100 * time.Millisecond
	defaultGrace      = 30 * time.Second
	defaultIdle       = time.Minute
)

// mostWorkers is the largest number of workers that a pool reckons with, so that
// no multiple of it overflows. No machine has so many goroutines.
const mostWorkers = 1 << 28

type config struct {
	workers    int
	source     slot.Source
	slotKey    func(lane string) string
	middleware []Middleware
	hooks      []Hooks
	queue      int
	queueTotal int
	maxClaims  int
	reuse      time.Duration
	grace      time.Duration
	failAfter  time.Duration
	idle       time.Duration
	aging      time.Duration
	onError    func(error)
	logger     func() *slog.Logger // is asked when there is something to say
}

// An Option configures a pool. A wrong one makes [New] return an error.
type Option func(*config) error

// WithSlots makes every job run under a slot of src. The pool does not close
// src: close it after Shutdown. Without this option there are no slots, and
// nothing is paid for them.
func WithSlots(src slot.Source) Option {
	return func(c *config) error {
		if err := slot.Check(src); err != nil {
			return fmt.Errorf("WithSlots: %w", err)
		}
		c.source = src
		return nil
	}
}

// WithSlotKey says which slots a lane's jobs need: f maps the lane's key to the
// key that slots are claimed with. It must be quick and always return the same
// for the same lane. It is called by submits, on their goroutines, possibly by
// several at once; where it panics the job is refused with ErrSlotKey. The
// default is the lane's key itself.
func WithSlotKey(f func(lane string) string) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("WithSlotKey: the function is nil")
		}
		c.slotKey = f
		return nil
	}
}

// Use adds middleware around every job. The first one is the outermost:
//
//	hooks( lane → claim → first( … last( job )))
//
// for each attempt.
func Use(m ...Middleware) Option {
	return func(c *config) error {
		for i, one := range m {
			if one == nil {
				return fmt.Errorf("Use: middleware %d is nil", i+1)
			}
		}
		c.middleware = append(c.middleware, m...)
		return nil
	}
}

// WithHooks adds hooks. Several are called in the order in which they are given.
func WithHooks(h Hooks) Option {
	return func(c *config) error {
		if !reflect.ValueOf(h).IsZero() {
			c.hooks = append(c.hooks, h)
		}
		return nil
	}
}

// WithQueue bounds the jobs that wait in one lane; a submit blocks when there
// are n. A lane with none waiting is always admitted one. The default is 256.
func WithQueue(n int) Option { return atLeastOne("WithQueue", n, func(c *config) { c.queue = n }) }

// WithQueueTotal bounds the jobs that wait in all lanes together, but for the
// one that each lane is always admitted. The default is 1,024, or the bound of
// [WithQueue] where that is more.
func WithQueueTotal(n int) Option {
	return atLeastOne("WithQueueTotal", n, func(c *config) { c.queueTotal = n })
}

// WithMaxClaims bounds the claims that the pool has in line at once. Slot keys
// beyond that are tried in turn, without a place in line. The default is 4 for
// each worker, also after [Pool.Resize].
func WithMaxClaims(n int) Option {
	return atLeastOne("WithMaxClaims", n, func(c *config) { c.maxClaims = n })
}

func atLeastOne(name string, n int, set func(*config)) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("%s: %d is below 1", name, n)
		}
		set(c)
		return nil
	}
}

// WithReuse sets how long after its grant a slot may be kept for the next job
// of the same slot key. Short jobs then need no claim each, and somebody else
// who waits for the slot waits at most that long and one job longer. With 0
// each job has a claim of its own. The default is 100 ms.
func WithReuse(window time.Duration) Option {
	return func(c *config) error {
		if window < 0 {
			return fmt.Errorf("WithReuse: the window %v is negative", window)
		}
		c.reuse = window
		return nil
	}
}

// WithIdleTimeout sets how long a worker that has nothing to do waits for a job
// before it ends; when there are jobs again, another one starts. The default is
// a minute; 0 keeps workers until Shutdown.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithIdleTimeout: %v is negative", d)
		}
		c.idle = d
		return nil
	}
}

// WithAging makes a job that has waited for d in its lane count as one priority
// more than it was submitted with, one that has waited twice as long as two more,
// and so on: those of a low priority have their turn then, however many urgent ones
// come. By default no wait makes a job more urgent.
func WithAging(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithAging: %v is not above 0", d)
		}
		c.aging = d
		return nil
	}
}

// WithGrace sets how long a job may go on after its context has ended before it
// is reported as overrun and its slot is no longer renewed. The default is 30 s.
func WithGrace(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithGrace: %v is not above 0", d)
		}
		c.grace = d
		return nil
	}
}

// FailAfter makes the queued jobs of a slot key fail, with the source's error,
// when no claim for it has succeeded for d although the pool has kept trying.
// By default they wait until the source is back, however long that takes, and
// the pool says so (see [WithLogger]); only what waiting cannot cure (see
// slot.IsPermanent) ends them. To run them on slots of this
// process meanwhile, wrap the source with slot.Fallback.
func FailAfter(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("FailAfter: %v is not above 0", d)
		}
		c.failAfter = d
		return nil
	}
}

// WithErrorHandler makes f receive what jobs of Go fail with, instead of Wait
// and Shutdown. The worker waits for it; several may call it at once. A panic of
// it is caught and counted in [Stats].HookPanics.
func WithErrorHandler(f func(error)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("WithErrorHandler: the function is nil")
		}
		c.onError = f
		return nil
	}
}

// WithLogger makes the pool tell l what a person should know and no caller is
// told: that the claims for a slot key have failed for a second and jobs wait
// therefore, at most once a minute. The default is slog.Default() at that
// moment. A nil l silences the pool, and so does one with slog.DiscardHandler. A
// panic of its handler is counted in [Stats].HookPanics.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		c.logger = func() *slog.Logger { return l }
		return nil
	}
}

func newConfig(workers int, opts []Option) (*config, error) {
	workers = min(workers, mostWorkers)
	c := &config{
		workers: workers, queue: defaultQueue, reuse: defaultReuse, grace: defaultGrace, idle: defaultIdle,
		logger: slog.Default,
	}
	if workers < 1 {
		return nil, fmt.Errorf("pool: %d workers: there must be at least 1", workers)
	}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("pool: option %d is nil", i+1)
		}
		if err := opt(c); err != nil {
			return nil, fmt.Errorf("pool: %w", err)
		}
	}
	if c.queueTotal == 0 {
		c.queueTotal = max(defaultQueueTotal, c.queue)
	}
	return c, c.check()
}

// core returns what the core is made with. A quota without a job keeps its places in
// line for as long as a slot may be kept.
func (c *config) core() sched.Config {
	linger := c.reuse
	if linger == 0 {
		linger = defaultReuse
	}
	return sched.Config{
		Workers: c.workers, Queue: c.queue, QueueTotal: c.queueTotal,
		Batch: mostInBatch, Procs: runtime.GOMAXPROCS(0), Aging: c.aging, Rest: c.idle,
		Slots: c.source != nil, Reuse: c.reuse, Linger: linger, MaxClaims: c.maxClaims, FailAfter: c.failAfter,
	}
}

// check finds options that make no sense together.
func (c *config) check() error {
	if c.source != nil {
		return nil
	}
	switch {
	case c.slotKey != nil:
		return errors.New("pool: WithSlotKey needs WithSlots")
	case c.failAfter > 0:
		return errors.New("pool: FailAfter needs WithSlots")
	}
	return nil
}

// buildChain applies the middleware, the last one first.
func buildChain(list []Middleware) (chain Job, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			inv, ok := r.(invalidMiddleware)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("pool: %w", inv.err)
		}
	}()
	chain = jobOf
	for i := len(list) - 1; i >= 0; i-- {
		if chain = list[i](chain); chain == nil {
			return nil, fmt.Errorf("pool: middleware %d returned a nil job", i+1)
		}
	}
	return chain, nil
}
