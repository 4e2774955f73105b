package dflockd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// leastReadTimeout is the shortest read timeout that the heartbeat adapts to,
// so that no server can make this client spin.
const leastReadTimeout = time.Second

// needed returns how many more connections the claims that wait could use.
// Caller holds mu.
func (e *endpoint) needed() int {
	own := max(0, len(e.own)-len(e.idle)) // an idle one that is not taken will soon be quiet
	return len(e.orphans) + e.rescuing + own + (len(e.shared)+maxLoad-1)/maxLoad
}

// dialMore dials as far as connections are needed and the gate allows. Caller
// holds mu.
func (e *endpoint) dialMore(now time.Time) {
	for !e.closing && e.dialing < min(e.needed(), maxDialing) {
		v, at := e.gate.ask(now, e.needed())
		switch v {
		case dialNow:
			e.dialing++
			e.tasks.Add(1)
			go e.dial()
		case dialProbing:
			return // the probe's end calls dialMore
		case dialRefused:
			e.refuse(e.down(at.Sub(now)))
			if e.needed() > 0 {
				e.redialIn(at)
			}
			return
		case dialAt:
			e.redialIn(at)
			return
		}
	}
}

// redialIn has dialMore called at the given time. Caller holds mu.
func (e *endpoint) redialIn(at time.Time) {
	if !e.redialAt.IsZero() {
		return
	}
	e.redialAt = at
	e.tasks.Add(1) // redialNow is done, or stopRedial
	e.redial = time.AfterFunc(time.Until(at), e.redialNow)
}

func (e *endpoint) redialNow() {
	defer e.tasks.Done()
	e.lock()
	defer e.unlock()
	e.redialAt = time.Time{}
	e.dialMore(time.Now())
}

// stopRedial stops the timer of redialIn. Caller holds mu.
func (e *endpoint) stopRedial() {
	if !e.redialAt.IsZero() && e.redial.Stop() {
		e.redialAt = time.Time{}
		e.tasks.Done()
	}
}

// down is the error for claims while the server cannot be reached. Caller
// holds mu.
func (e *endpoint) down(pause time.Duration) error {
	if slot.IsPermanent(e.lastErr) {
		return e.lastErr
	}
	return errs.InWords(fmt.Sprintf("%v (next try in %v)", e.lastErr, pause.Round(time.Millisecond)), e.lastErr)
}

// refuse ends the claims that wait for a connection, but for those that rather
// wait for what waiting can cure. Caller holds mu.
func (e *endpoint) refuse(err error) {
	e.assignAny(time.Now())
	for _, queue := range []*[]*claim{&e.own, &e.shared} {
		claims := *queue
		*queue = nil
		for _, cl := range claims {
			if cl.kind.single() && !slot.IsPermanent(err) { // it waits, for at most the backoff
				*queue = append(*queue, cl)
			} else {
				cl.finish(err)
			}
		}
	}
}

// refuseAll ends all claims that wait for a connection. Caller holds mu.
func (e *endpoint) refuseAll(err error) {
	e.assignAny(time.Now())
	claims := append(e.own, e.shared...)
	e.own, e.shared = nil, nil
	for _, cl := range claims {
		cl.finish(err)
	}
}

// dial opens a connection and puts it to use.
func (e *endpoint) dial() {
	defer e.tasks.Done()
	e.lock()
	first, server := e.leader, e.address()
	orphan, ref := e.nextOrphan()
	ctx := e.ctx
	e.unlock()
	c, err := e.connectAny(ctx, first, ref)
	now := time.Now()
	e.lock()
	defer e.unlock()
	defer e.broadcast()
	e.dialing--
	e.putBack(orphan)
	if ctx.Err() != nil && !e.closing {
		e.dialCalledOff(c, now)
		return
	}
	if err != nil {
		e.dialFailed(server, err, now)
		return
	}
	if e.closing {
		e.closeLater(c.raw)
		return
	}
	if first == e.leader {
		e.leader = c.member
	}
	e.accepted = true
	e.gate.succeeded(now, e.needed()-1)
	e.tags, e.noPace = c.features.Tags, !c.features.Pace
	e.conns[c] = struct{}{}
	c.start(now)
	if n := len(e.orphans); n > 0 && (!e.cfg.cluster || e.orphans[n-1] == orphan) {
		orphan = e.orphans[n-1]
		e.orphans = e.orphans[:n-1]
		c.adopt(orphan, now)
	}
	e.relist(c)
	e.assignAt(now)
	e.dialMore(now)
}

// nextOrphan returns the reference that the next connection shows in a
// cluster, and the orphan whose reference it is, if any. Caller holds mu.
func (e *endpoint) nextOrphan() (*conn, wire.Secret) {
	if !e.cfg.cluster {
		return nil, ""
	}
	n := len(e.orphans)
	if n == 0 {
		return nil, newReference()
	}
	orphan := e.orphans[n-1]
	e.orphans = e.orphans[:n-1]
	e.rescuing++
	return orphan, orphan.ref
}

// putBack ends what nextOrphan began. Caller holds mu.
func (e *endpoint) putBack(orphan *conn) {
	if orphan == nil {
		return
	}
	e.rescuing--
	if orphan.orphaned() && !e.closing {
		e.orphans = append(e.orphans, orphan)
	} else {
		orphan.expireAll(time.Now())
	}
}

// connectAny connects to a server, or to the first member of a cluster that
// answers.
func (e *endpoint) connectAny(ctx context.Context, first int, ref wire.Secret) (*conn, error) {
	if len(e.servers) == 1 {
		return e.connect(ctx, e.servers[0], ref)
	}
	text, causes := "no member of the cluster can be used", []error(nil)
	for i := range e.servers {
		member := (first + i) % len(e.servers)
		c, err := e.connect(ctx, e.servers[member], ref)
		if err == nil {
			c.member = member
			return c, nil
		}
		text += "; " + e.servers[member] + ": " + err.Error()
		causes = append(causes, err)
	}
	return nil, errs.InWords(text, causes...)
}

// dialFailed takes note that the server cannot be reached, or does not let this
// client in. Caller holds mu.
func (e *endpoint) dialFailed(server string, err error, now time.Time) {
	if e.closing {
		return
	}
	e.lastErr = e.verdict(err)
	e.known.forget(server)
	e.gate.failed(now, rand.Float64())
	e.warn("cannot connect", &Error{Engine: engine, Op: "dial", Server: server, Err: err}, now)
	e.refuseAll(e.lastErr)
	e.dialMore(now)
}

// verdict returns why no connection could be had as claims are told it. Only a
// client that the server has never let in is told that waiting does not help.
// Caller holds mu.
func (e *endpoint) verdict(err error) error {
	if errors.Is(err, ErrAuth) && !e.accepted {
		return errs.Permanently(err)
	}
	if errors.Is(err, ErrAuth) {
		return errs.Unavailable(errs.InWords(err.Error()+"; it has let this client in before, so it is asked again", err))
	}
	return errs.Unavailable(err)
}
