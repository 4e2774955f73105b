package dashboard

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A Recorder remembers for a while what a pool did. It is for one pool, is safe for
// concurrent use, has no goroutine and needs no closing.
type Recorder struct {
	cfg       config
	began     time.Time
	handedOut atomic.Bool // somebody has asked for the hooks

	mu sync.Mutex // guards what follows; nothing of the user's is called under it
	past
}

// past is what a recorder remembers.
type past struct {
	history  history
	running  running
	slowest  slowest
	losses   lately[incident] // of slots, and jobs that do not return
	widows   lately[widow]    // jobs that ended without the slot that they began with
	retries  lately[incident]
	failures lately[incident] // of jobs and of claims
}

// An incident is something that went wrong.
type incident struct {
	at                 time.Time
	what               what
	name, key, slotKey string // of the job, if there was one
	attempt            int
	delay              time.Duration // until it is tried again
	error              string
	times              int // that the same has happened, the last time at that time
}

// what an incident is.
type what string

const (
	slotLost   what = "slot lost"
	jobOverran what = "ignores its context"
	jobRetried what = "failed"
	jobPutOff  what = "put off"
	jobFailed  what = "failed for good"
	jobDropped what = "ended before it ran"
	noClaim    what = "claim failed"
)

// NewRecorder returns a Recorder. It starts nothing.
func NewRecorder(opts ...Option) (*Recorder, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	few := lately[incident]{most: cfg.kept}
	return &Recorder{cfg: cfg, began: time.Now(), past: past{
		history: newHistory(cfg.history), slowest: newSlowest(cfg.history, cfg.kept),
		losses: few, retries: few, failures: few, widows: lately[widow]{most: mostWidows},
	}}, nil
}

// Hooks returns the functions by which the Recorder learns what a pool does, for
// [pool.WithHooks].
func (r *Recorder) Hooks() pool.Hooks {
	r.handedOut.Store(true)
	return pool.Hooks{
		Submitted: r.submitted, Start: r.start, Retry: r.retry, Finish: r.finish, Overrun: r.overrun,
		Lost: r.lost, Failed: r.claimFailed,
	}
}

// note takes note of something that happens now.
func (r *Recorder) note(at time.Time, f func(p *past, i *interval)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.past, r.history.now(at.Sub(r.began)))
}

func (r *Recorder) submitted(_ context.Context, e pool.JobEvent) {
	r.note(e.At, func(p *past, _ *interval) { p.history.waiting++ })
}

func (r *Recorder) start(ctx context.Context, e pool.StartEvent) context.Context {
	j, _ := (*e.State).(*job)
	if j == nil {
		j = &job{name: e.Name, key: e.Key, slotKey: e.SlotKey, submitted: e.Submitted, marked: e.Submitted}
		*e.State = j
	}
	r.note(e.At, func(p *past, _ *interval) {
		j.begins(e)
		p.running.add(j)
		p.history.waiting--
		p.history.busy++
	})
	return ctx
}

// stop takes note that an attempt has ended. What runs no more was told of already.
func (p *past) stop(j *job, at time.Time) {
	if j == nil || !p.running.remove(j) {
		return
	}
	j.ends(at)
	p.history.busy--
}

func (r *Recorder) retry(_ context.Context, e pool.RetryEvent) {
	j, _ := (*e.State).(*job)
	i := about(e.JobEvent, jobRetried, e.Err)
	if i.delay = e.Delay; e.NotYet {
		i.what = jobPutOff
	}
	r.note(e.At, func(p *past, now *interval) {
		p.stop(j, e.At)
		if errors.Is(e.Err, slot.ErrLost) {
			p.widows.add(widow{e.Slot, i})
		}
		p.history.waiting++
		if !e.NotYet {
			now.retried++
		}
		p.retries.add(i)
	})
}

func (r *Recorder) finish(_ context.Context, e pool.FinishEvent) {
	j, _ := (*e.State).(*job)
	i := about(e.JobEvent, jobFailed, e.Err)
	if !e.Running {
		i.what = jobDropped
	}
	r.note(e.At, func(p *past, now *interval) {
		if e.Running {
			p.stop(j, e.At)
			if e.Lost {
				p.widows.add(widow{e.Slot, i})
			}
		} else {
			p.history.waiting--
		}
		if refused(e) {
			return // it was never the pool's
		}
		now.done++
		if e.Err != nil {
			now.failed++
			p.failures.add(i)
		}
		if j != nil && e.Running {
			p.slowest.add(e.At.Sub(r.began), finished{at: e.At, job: *j, error: i.error})
		}
	})
}

// refused reports whether a job was not accepted, so that it has no result.
func refused(e pool.FinishEvent) bool {
	return !e.Running && (errors.Is(e.Err, pool.ErrQueueFull) || errors.Is(e.Err, pool.ErrClosed))
}

func (r *Recorder) overrun(_ context.Context, e pool.JobEvent) {
	i := about(e, jobOverran, nil)
	r.note(e.At, func(p *past, _ *interval) { p.losses.add(i) })
}

// A widow is a job whose slot was lost, and that ended before the pool told of the
// loss.
type widow struct {
	slot slot.Slot
	of   incident
}

// mostWidows is how many are kept: the pool tells of the loss in the same moment.
const mostWidows = 16

// lost takes note of a slot that was lost, and of the job that ran under it.
func (r *Recorder) lost(e pool.SlotEvent) {
	i := incident{at: e.At, times: 1, what: slotLost, slotKey: e.Key, error: message(lossOf(e))}
	r.note(e.At, func(p *past, now *interval) {
		if of, ok := p.ranUnder(e.Slot); ok {
			i.name, i.key, i.attempt = of.name, of.key, of.attempt
		}
		now.lost++
		p.losses.add(i)
	})
}

// lossOf returns how a slot was lost, as far as its source says.
func lossOf(e pool.SlotEvent) error {
	err := e.Err
	if cause := context.Cause(e.Slot.Context()); errors.Is(cause, slot.ErrLost) {
		err = cause
	}
	if err == slot.ErrLost {
		return nil // which says nothing more
	}
	return err
}

// ranUnder returns the job that runs under a slot, or did until just now.
func (p *past) ranUnder(s slot.Slot) (of incident, ok bool) {
	p.running.each(func(j *job) bool {
		if ok = same(j.slot, s); ok {
			of = incident{name: j.name, key: j.key, attempt: j.attempt}
		}
		return !ok
	})
	for _, w := range p.widows.all {
		if !ok && same(w.slot, s) {
			of, ok = w.of, true
		}
	}
	return of, ok
}

// same compares slots, which are of somebody else's types.
func same(a, b slot.Slot) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

func (r *Recorder) claimFailed(e pool.SlotEvent) {
	if errors.Is(e.Err, context.Canceled) {
		return // no job needed the slot any more
	}
	i := incident{at: e.At, what: noClaim, slotKey: e.Key, error: message(e.Err), times: 1}
	r.note(e.At, func(p *past, _ *interval) {
		if !p.again(i) {
			p.failures.add(i)
		}
	})
}

// again counts a failure that is known already: an engine that is away refuses each
// key five times a second, and would fill the list.
func (p *past) again(i incident) (known bool) {
	p.failures.each(func(old *incident) bool {
		if known = old.what == i.what && old.slotKey == i.slotKey && old.error == i.error; known {
			old.at = i.at
			old.times++
		}
		return !known
	})
	return known
}

func about(e pool.JobEvent, what what, err error) incident {
	return incident{at: e.At, times: 1, what: what, name: e.Name, key: e.Key, slotKey: e.SlotKey, attempt: e.Attempt, error: message(err)}
}

// message returns what an error says, whatever its method does.
func message(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if recover() != nil {
			text = "(its Error method panicked)"
		}
	}()
	return cut(err.Error())
}
