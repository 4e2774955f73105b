package dflockd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// This file has pauses, and slots that are taken back.

var _ slot.Controller = (*Source)(nil)

var errNoControl = errs.InWords("the server knows neither pauses nor how to take a slot back: one of this module does", errors.ErrUnsupported)

// Pause lets no slot of key's semaphore be granted for d, rounded up to
// milliseconds: one round trip, over a connection that there is or a new one. The
// server wants to see that this source holds a slot of the key or waits for one, and
// allows a minute at most, unless it is shown an administrator's secret ([WithAuth]);
// it forgets pauses when it restarts. On an original server and in a cluster the error
// matches errors.ErrUnsupported.
func (s *Source) Pause(ctx context.Context, key string, d time.Duration) error {
	if d < 0 {
		return &Error{Engine: engine, Op: "pause", Key: key, Err: fmt.Errorf("the time %v is negative", d)}
	}
	name, server, err := s.serverOf(ctx, "pause", key)
	if err != nil {
		return err
	}
	millis := int64(d / time.Millisecond)
	if d%time.Millisecond != 0 {
		millis++
	}
	cl := &claim{order: order{kind: kindErrand, key: key, name: name}}
	cl.errand = &wire.Request{Command: wire.Pause, Key: name, Millis: millis}
	return s.endpointOf(server).pause(ctx, cl)
}

// Revoke takes back the slot of key whose holder has this ID, as [Source.Inspect]
// tells it, over a connection of its own. The server has to be shown an
// administrator's secret ([WithAuth]).
func (s *Source) Revoke(ctx context.Context, key, id string) error {
	name, server, err := s.serverOf(ctx, "revoke", key)
	if err != nil {
		return err
	}
	fence, ok := wire.ParseID(id)
	if !ok {
		return &Error{Engine: engine, Op: "revoke", Key: name, Err: errs.InWords(fmt.Sprintf("%q is no ID: those of the holders have 16 hexadecimal digits", id), slot.ErrNoHolder)}
	}
	err = newEndpoint(s.cfg, server).visit(ctx, func(c *conn) error {
		if !c.features.Control {
			return errNoControl
		}
		_, err := c.askLong(&wire.Request{Command: wire.Revoke, Key: name, ID: fence})
		return err
	})
	if err != nil {
		return &Error{Engine: engine, Op: "revoke", Key: name, Server: server, Err: err}
	}
	return nil
}

// endpointOf returns the endpoint of a server of the list.
func (s *Source) endpointOf(server string) *endpoint {
	for _, e := range s.endpoints {
		if e.servers[0] == server {
			return e
		}
	}
	panic("bug: a server without an endpoint")
}

// pause runs the errand of a pause. What shows that this source is concerned is the
// token of a slot that it holds, or else that it comes over the connection of a claim
// that waits.
func (e *endpoint) pause(ctx context.Context, cl *claim) error {
	now := time.Now()
	e.lock()
	defer e.unlock()
	held, waits := e.concerned(cl.name)
	if held == nil && waits != nil {
		cl.e, cl.changed = e, e.signalChan()
		cl.begin(waits, now)
	} else {
		if held != nil {
			cl.errand.Token = held.token
		}
		e.begin(cl, now)
	}
	if err := e.placed(ctx, cl); err != nil {
		return err
	}
	e.noteAll(cl.name, cl.errand.Millis, now)
	return nil
}

// concerned returns a claim that holds a slot of that name, or else a connection over
// which one waits. Caller holds mu.
func (e *endpoint) concerned(name string) (held *claim, waits *conn) {
	for c := range e.conns {
		for _, cl := range c.held {
			if cl.name == name && cl.stage == stageHeld {
				return cl, nil
			}
		}
		for _, x := range c.tagged {
			if x.role == roleWait && x.claim.name == name && x.claim.abandoned == nil {
				waits = c
			}
		}
	}
	return nil, waits
}

// noteAll notes a pause, or its end, in the slots of that name: of two pauses the
// one that ends last counts. Caller holds mu.
func (e *endpoint) noteAll(name string, millis int64, now time.Time) {
	for c := range e.conns {
		for _, cl := range c.held {
			if cl.name != name {
				continue
			}
			before := cl.paused
			if cl.pausedFor(millis, now); millis > 0 {
				cl.paused = max(cl.paused, before)
			}
		}
	}
}

// pausedFor notes for how long the claim's key is paused. Caller holds
// endpoint.mu.
func (cl *claim) pausedFor(millis int64, now time.Time) {
	cl.paused = 0
	if millis > 0 {
		cl.paused = now.Sub(cl.e.born) + time.Duration(millis)*time.Millisecond
	}
}

// sendErrand sends what the claim is for. Caller holds endpoint.mu.
func (cl *claim) sendErrand(now time.Time) {
	if !cl.conn.features.Control {
		cl.finish(errNoControl)
		return
	}
	x := exchange{role: roleErrand, command: cl.errand.Command, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	r := *cl.errand
	cl.conn.send(x, &r)
}

// errandDone takes the server's answer. Caller holds endpoint.mu.
func (cl *claim) errandDone(r wire.Reply) {
	if r.Status == wire.OK {
		cl.finish(nil)
	} else {
		cl.finish(refusal(r))
	}
}
