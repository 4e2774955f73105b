package slot

import (
	"context"
	"fmt"
	"time"
)

// errTakenBack is the cause of the context of a slot that was revoked.
var errTakenBack = fmt.Errorf("%w: %w", ErrLost, ErrRevoked)

// A localPause is one of a line, which may have no users meanwhile.
type localPause struct {
	until time.Time
	timer *time.Timer // calls resume
}

// Pause lets no slot of key's semaphore be granted for d; 0 ends a pause. It does
// not block. Whoever has the source may do it, for as long as he wants.
func (l *Local) Pause(ctx context.Context, key string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("slot: key %q: a pause of %v: the time must not be negative", key, d)
	}
	name, err := l.controls(ctx, key)
	if err != nil {
		return err
	}
	if d == 0 {
		l.endPause(name, nil)
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	old, until := l.paused[name], time.Now().Add(d)
	if old != nil && !old.until.Before(until) {
		return nil
	}
	if old != nil {
		old.timer.Stop()
	}
	p := &localPause{until: until}
	p.timer = time.AfterFunc(d, func() { l.endPause(name, p) })
	if l.paused == nil {
		l.paused = make(map[string]*localPause)
	}
	l.paused[name] = p
	return nil
}

// controls returns the name of the semaphore that key means, to those who control
// it.
func (l *Local) controls(ctx context.Context, key string) (name string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	name, _, err = l.of(key)
	return name, err
}

// endPause ends the pause of a line, or p if that is given and still the one, and
// serves who waited for its end.
func (l *Local) endPause(name string, p *localPause) {
	l.mu.Lock()
	now := l.paused[name]
	if now == nil || p != nil && p != now {
		l.mu.Unlock()
		return
	}
	now.timer.Stop()
	delete(l.paused, name)
	ln := l.lines[name]
	l.mu.Unlock()
	if ln != nil {
		l.serve(ln)
	}
}

func (l *Local) pausedUntil(name string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pausedUntilLocked(name)
}

func (l *Local) pausedUntilLocked(name string) time.Time {
	if p := l.paused[name]; p != nil {
		return p.until
	}
	return time.Time{}
}

// Revoke ends the context of the slot of key whose holder has this ID. There are no
// leases: the slot is free when its holder releases it, which returns ErrLost. It
// does not block.
func (l *Local) Revoke(ctx context.Context, key, id string) error {
	name, err := l.controls(ctx, key)
	if err != nil {
		return err
	}
	s, err := l.holder(name, id)
	if err != nil {
		return err
	}
	s.ctx.Cancel(errTakenBack)
	return nil
}

// holder returns the slot of that name whose holder has this ID.
func (l *Local) holder(name, id string) (*localSlot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if ln := l.lines[name]; ln != nil {
		for s := ln.holders.first; s != nil; s = s.next {
			if holderID(s.id) == id {
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %q of %q", ErrNoHolder, id, name)
}
