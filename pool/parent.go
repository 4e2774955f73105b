package pool

import (
	"context"
	"slices"
	"time"
)

// This file ends tasks that wait when their submitters' contexts end. To be told
// of that end costs more than a short job does, so it is asked for only where a
// task has waited for a while, and once for all the tasks of a context.

// A submitter is a context that tasks were submitted with and wait under, with
// all others that end when it does.
type submitter struct {
	ctx   context.Context
	stop  func() bool // nil until it is there
	tasks []*Task     // some of them wait no more
	swept int         // the length of tasks after the last sweep
}

// parents is what a pool knows of the contexts that tasks were submitted with;
// it is guarded by the pool's mu.
type parents struct {
	fresh    []*Task // tasks that have begun to wait, at most a moment ago
	looks    bool    // it will be looked at them
	watched  map[<-chan struct{}]*submitter
	sweeping bool // the watched will be swept
}

const (
	// patience is how long a task waits until its submitter is watched.
	patience = 5 * time.Millisecond
	// sweepEvery is how often what waits no more is forgotten.
	sweepEvery = time.Second
)

// follow has a task that begins to wait, and may have a submitter whose context
// ends, end with that; the caller holds mu.
func (p *Pool) follow(t *Task) {
	p.parents.fresh = append(p.parents.fresh, t)
	if !p.parents.looks {
		p.parents.looks = true
		p.in(patience, p.watchParents)
	}
}

// watchParents looks which of the tasks that began to wait still do.
func (p *Pool) watchParents() {
	p.lock()
	fresh := p.parents.fresh
	p.parents.fresh, p.parents.looks = nil, false
	p.unlock()
	for _, t := range fresh {
		if t.isPending() {
			p.watchParent(t)
		}
	}
}

// watchParent has a task that waits told of the end of its submitter's context,
// which is the user's and is not called with mu held.
func (p *Pool) watchParent(t *Task) {
	defer p.caught()
	done := t.parent().Done()
	if done == nil {
		return
	}
	p.lock()
	s := p.parents.watched[done]
	isNew := s == nil
	if isNew {
		s = &submitter{ctx: t.parent()}
		if p.parents.watched == nil {
			p.parents.watched = map[<-chan struct{}]*submitter{}
		}
		p.parents.watched[done] = s
		if !p.parents.sweeping {
			p.parents.sweeping = true
			p.in(sweepEvery, p.sweepParents)
		}
	}
	if set := t.setting.Load(); set.follows != s {
		set.follows = s
		s.tasks = append(s.tasks, t)
		if len(s.tasks) > 2*s.swept+64 {
			s.sweep()
		}
	}
	p.unlock()
	if !isNew {
		return
	}
	stop := context.AfterFunc(s.ctx, func() { p.parentEnded(done) })
	p.lock()
	s.stop = stop
	over := p.over
	p.unlock()
	if over {
		stop()
	}
}

// sweep forgets the tasks that wait no more; the caller holds the pool's mu.
func (s *submitter) sweep() {
	s.tasks = slices.DeleteFunc(s.tasks, func(t *Task) bool {
		if t.isPending() {
			return false
		}
		t.setting.Load().follows = nil
		return true
	})
	s.swept = len(s.tasks)
}

// sweepParents forgets tasks that wait no more, and then their submitters.
func (p *Pool) sweepParents() {
	p.lock()
	var stops []func() bool
	for done, s := range p.parents.watched {
		if s.sweep(); len(s.tasks) == 0 && s.stop != nil {
			delete(p.parents.watched, done)
			stops = append(stops, s.stop)
		}
	}
	if p.parents.sweeping = len(p.parents.watched) > 0; p.parents.sweeping {
		p.in(sweepEvery, p.sweepParents)
	}
	p.unlock()
	for _, stop := range stops {
		stop()
	}
}

// forgetParents ends what is left when the pool is over.
func (p *Pool) forgetParents() {
	p.lock()
	watched := p.parents.watched
	p.parents = parents{}
	var stops []func() bool
	for _, s := range watched {
		if s.stop != nil {
			stops = append(stops, s.stop)
		}
	}
	p.unlock()
	for _, stop := range stops {
		stop()
	}
}

// parentEnded ends every task that waits under a context that has ended.
func (p *Pool) parentEnded(done <-chan struct{}) {
	p.lock()
	s := p.parents.watched[done]
	if s == nil || p.over {
		p.unlock()
		return
	}
	p.alive++
	delete(p.parents.watched, done)
	tasks := s.tasks
	for _, t := range tasks {
		t.setting.Load().follows = nil
	}
	p.unlock()
	defer p.goroutineEnds()
	for _, t := range tasks {
		p.drop(t, context.Cause(t.parent()))
	}
}
