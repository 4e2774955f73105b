package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

const (
	// firstWait is how long the crawler leaves a host alone that does not say
	// for how long; each time in a row it is twice as long.
	firstWait = time.Second

	// maxRefusals is how often in a row a host may put the crawler off.
	maxRefusals = 6
)

// A patience knows for a worker process which hosts asked to come back later,
// and when. It is safe for concurrent use.
//
// When the time has come, one request goes first: if the host answers it, the
// others follow.
type patience struct {
	longest time.Duration // that a host may put the crawler off, in all

	mu    sync.Mutex // guards hosts; nothing blocks while it is held
	hosts map[string]*pause
}

// A pause is a host that is left alone. There is none for a host that answers.
type pause struct {
	since    time.Time // of the first refusal
	until    time.Time // nothing is asked before
	refusals int       // in a row, those of requests that were out together taken as one
	probing  bool      // the one request is out
	over     error     // why nothing will be asked any more
}

func newPatience(longest time.Duration) *patience {
	return &patience{longest: longest, hosts: make(map[string]*pause)}
}

// wait returns how long no request may be made; an error means that the host was
// given up.
func (p *patience) wait(host string) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts[host].wait()
}

// enter is wait for a caller that makes its request at once if it may: it must
// call answered, refused or left then.
func (p *patience) enter(host string) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[host]
	wait, err := h.wait()
	if h != nil && wait == 0 && err == nil {
		h.probing = true
	}
	return wait, err
}

// wait is for the holder of the lock.
func (h *pause) wait() (time.Duration, error) {
	switch now := time.Now(); {
	case h == nil:
		return 0, nil
	case h.over != nil:
		return 0, h.over
	case now.Before(h.until):
		return h.until.Sub(now), nil
	case h.probing:
		return firstWait, nil
	}
	return 0, nil
}

// answered ends the host's pause, unless the answer is to a request from before
// it.
func (p *patience) answered(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[host]
	if h == nil {
		return
	}
	h.probing = false
	if h.over == nil && !time.Now().Before(h.until) {
		delete(p.hosts, host)
	}
}

// left says that nothing was learned: the request was not made, or cancelled.
func (p *patience) left(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.hosts[host]; h != nil {
		h.probing = false
	}
}

// refused begins or extends a pause: the host put a request off, for a time if
// it named one, and why. It returns the pause for others to keep.
func (p *patience) refused(host string, after time.Duration, why error) pipe.Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	h := p.hosts[host]
	if h == nil {
		h = &pause{since: now}
		p.hosts[host] = h
	}
	h.probing = false
	if !now.Before(h.until) {
		h.refusals++
	}
	wait := max(after, firstWait<<(h.refusals-1))
	if until := now.Add(wait); until.After(h.until) {
		h.until = until
	}
	switch {
	case h.over != nil:
	case h.refusals >= maxRefusals:
		h.over = fmt.Errorf("%w: for the %dth time in a row", why, h.refusals)
	case h.until.Sub(h.since) > p.longest:
		h.over = fmt.Errorf("%w: to come back would take longer than -max-wait %v allows", why, p.longest)
	}
	said := pipe.Pause{Host: host, For: h.until.Sub(now), Why: why.Error()}
	if h.over != nil {
		said.Over = h.over.Error()
	}
	return said
}

// told begins or extends a pause that another process was told of.
func (p *patience) told(said pipe.Pause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	h := p.hosts[said.Host]
	if h == nil {
		h = &pause{since: now}
		p.hosts[said.Host] = h
	}
	if !now.Before(h.until) {
		h.refusals++
	}
	if until := now.Add(said.For); until.After(h.until) {
		h.until = until
	}
	if said.Over != "" && h.over == nil {
		h.over = errors.New(said.Over)
	}
}
