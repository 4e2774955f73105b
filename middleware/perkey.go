package middleware

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/berth-go/berth/pool"
)

// PerKey gives each job key a middleware of its own, so that one host that is
// down opens its own breaker and nobody else's:
//
//	middleware.PerKey(func(host string) pool.Middleware {
//		return middleware.CircuitBreaker(newBreaker(host), middleware.OpenFor(time.Minute))
//	}, 1000)
//
// The key is that of [pool.Key], "" for a job without one. newFor is called when
// a key's first job begins, once while the key is remembered, by that job;
// others of the key wait for it. At most max keys are remembered, and besides
// them those whose jobs run at that moment. Of too many the one that has been used
// least recently and runs no job is forgotten, and what its middleware knew with
// it: a breaker that was open is made anew, and is closed. Give a max above the
// number of keys that may be in trouble at once.
//
// A job for which newFor panics, or returns nil or a middleware that was made with
// wrong arguments, is not called and fails for good; the next job of its key calls
// newFor again.
//
// In the chain: where the middleware itself would be.
func PerKey(newFor func(key string) pool.Middleware, max int) pool.Middleware {
	switch {
	case newFor == nil:
		return misuse("PerKey: the function is nil")
	case max < 1:
		return misuse("PerKey: at most %d keys: give 1 or more", max)
	}
	return func(next pool.Job) pool.Job {
		t := &keyTable{max: max, entries: map[string]*keyEntry{}}
		return func(ctx context.Context) error {
			info, _ := pool.FromContext(ctx)
			e, first := t.enter(info.Key)
			defer t.leave(e)
			if first {
				e.build(newFor, next)
			}
			return e.run(ctx)
		}
	}
}

// A keyTable remembers keys, with what was made for each.
type keyTable struct {
	max int

	mu      sync.Mutex // guards what follows; nothing of the user's is called while it is held
	entries map[string]*keyEntry
	unused  list.List // of *keyEntry without users, the least recently used first
}

// A keyEntry is what is known of one key.
type keyEntry struct {
	key   string
	built chan struct{} // closed once job or err is there
	job   pool.Job      // the key's middleware around the rest of the chain
	err   error         // why there is none

	users int           // attempts that run; guarded by the table's mu, as is place
	place *list.Element // among the unused; nil while there are users
}

// enter returns the entry of a key, which stays until leave. first says that the
// caller has to build it.
func (t *keyTable) enter(key string) (e *keyEntry, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e = t.entries[key]
	if e == nil {
		e, first = &keyEntry{key: key, built: make(chan struct{})}, true
		t.entries[key] = e
	}
	if e.place != nil {
		t.unused.Remove(e.place)
		e.place = nil
	}
	e.users++
	t.evict()
	return e, first
}

// leave ends what enter began.
func (t *keyTable) leave(e *keyEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	if e.err != nil {
		delete(t.entries, e.key)
		return
	}
	e.place = t.unused.PushBack(e)
	t.evict()
}

// evict forgets keys while there are too many; the caller holds mu.
func (t *keyTable) evict() {
	for len(t.entries) > t.max && t.unused.Len() > 0 {
		e := t.unused.Remove(t.unused.Front()).(*keyEntry)
		delete(t.entries, e.key)
	}
}

// build makes the key's middleware, which may panic: pool.Invalid does.
func (e *keyEntry) build(newFor func(string) pool.Middleware, next pool.Job) {
	defer func() {
		if v := recover(); v != nil {
			e.fail(fmt.Errorf("cannot be made: %s", strings.TrimPrefix(fmt.Sprint(v), "middleware: ")))
		} else if e.job == nil && e.err == nil {
			e.fail(errors.New("cannot be made: the function called runtime.Goexit"))
		}
		close(e.built)
	}()
	m := newFor(e.key)
	if m == nil {
		e.fail(errors.New("the function returned nil"))
		return
	}
	if e.job = m(next); e.job == nil {
		e.fail(errors.New("the middleware returned a nil job"))
	}
}

func (e *keyEntry) fail(err error) {
	e.job, e.err = nil, Permanent(fmt.Errorf("middleware: PerKey: the middleware of key %q: %w", e.key, err))
}

// run runs the job once the key's middleware is there.
func (e *keyEntry) run(ctx context.Context) error {
	select {
	case <-e.built:
	default: // asking a job's context for Done is not for nothing
		select {
		case <-e.built:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if e.err != nil {
		return e.err
	}
	return e.job(ctx)
}
