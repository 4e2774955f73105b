package dflockd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// leastReadTimeout is the shortest read timeout that the heartbeat adapts to,
// so that no server can make this client spin.
const leastReadTimeout = time.Second

// needed returns how many more connections the claims that wait could use.
// Caller holds mu.
func (e *endpoint) needed() int {
	return len(e.orphans) + e.rescuing + len(e.own) + (len(e.shared)+maxLoad-1)/maxLoad
}

// dialMore dials as far as connections are needed and the gate allows. Caller
// holds mu.
func (e *endpoint) dialMore(now time.Time) {
	for !e.closing && e.fatal == nil && e.dialing < min(e.needed(), maxDialing) {
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
	return unavailable(fmt.Errorf("%w (next try in %v)", e.lastErr, pause.Round(time.Millisecond)))
}

// refuse ends the claims that wait for a connection, but for those that rather
// wait. Caller holds mu.
func (e *endpoint) refuse(err error) {
	for _, queue := range []*[]*claim{&e.own, &e.shared} {
		claims := *queue
		*queue = nil
		for _, cl := range claims {
			if cl.patient {
				*queue = append(*queue, cl)
			} else {
				cl.finish(err)
			}
		}
	}
}

// refuseAll ends all claims that wait for a connection. Caller holds mu.
func (e *endpoint) refuseAll(err error) {
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
	e.unlock()
	c, err := e.connectAny(first, ref)
	now := time.Now()
	e.lock()
	defer e.unlock()
	e.dialing--
	e.putBack(orphan)
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
	e.gate.succeeded(now, e.needed()-1)
	e.tags = c.features.Tags
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
func (e *endpoint) connectAny(first int, ref wire.Secret) (c *conn, err error) {
	for i := range e.servers {
		member := (first + i) % len(e.servers)
		if c, err = e.connect(e.servers[member], ref); err == nil {
			c.member = member
			return c, nil
		}
	}
	return nil, err
}

// dialFailed takes note that the server cannot be reached. Caller holds mu.
func (e *endpoint) dialFailed(server string, err error, now time.Time) {
	if e.closing {
		return
	}
	e.lastErr = hint(server, err)
	e.gate.failed(now, rand.Float64())
	if errors.Is(err, ErrAuth) {
		e.fatal = err
		e.refuseAll(err)
		return
	}
	e.warn("cannot connect", &Error{Op: "dial", Server: server, Err: err}, now)
	e.refuseAll(unavailable(e.lastErr))
	e.dialMore(now)
}

// hint says what to do about a server that does not answer.
func hint(server string, err error) error {
	host, port, _ := net.SplitHostPort(server)
	return fmt.Errorf("no dflockd answers at %s: start one with \"dflockd --host %s --port %s\" or see WithServers: %w",
		server, host, port, err)
}

// connect opens a connection and makes it ready: TLS, secret, hello. It takes
// at most the connect timeout.
func (e *endpoint) connect(server string, ref wire.Secret) (*conn, error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.cfg.connectTimeout)
	defer cancel()
	raw, err := e.cfg.dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	// A handshake that hangs ends with ctx.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	c, err := e.handshake(ctx, raw, server, ref)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

func (e *endpoint) handshake(ctx context.Context, raw net.Conn, server string, ref wire.Secret) (*conn, error) {
	c := &conn{e: e, raw: raw, rw: raw, ref: ref}
	if e.cfg.tls != nil {
		t, err := e.startTLS(ctx, raw, server)
		if err != nil {
			return nil, err
		}
		c.rw = t
	}
	c.reader = bufio.NewReader(c.rw)
	original, err := e.greet(c)
	if err != nil {
		return nil, err
	}
	f := &c.features
	if f.ReadTimeout > 0 {
		f.ReadTimeout = max(f.ReadTimeout, leastReadTimeout)
	}
	c.strict = f.Strict || e.cfg.strict
	c.keeps = c.strict || e.cfg.orphanTime > 0
	f.Ping = f.Ping || e.cfg.cluster
	c.pace = pace{ratio: e.cfg.renewRatio, readTimeout: f.ReadTimeout}
	c.idle = longestIdle
	if !original && f.ReadTimeout > 0 {
		c.idle = min(c.idle, f.ReadTimeout/2)
	}
	return c, nil
}

func (e *endpoint) startTLS(ctx context.Context, raw net.Conn, server string) (net.Conn, error) {
	cfg := e.cfg.tls
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			return nil, err
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	t := tls.Client(raw, cfg)
	return t, t.HandshakeContext(ctx)
}

// greet shows the secret and the reference and asks what the server can do, in
// one write. An original server answers the question with an error, and goes on.
func (e *endpoint) greet(c *conn) (original bool, err error) {
	var asked []wire.Request
	if e.cfg.secret != nil {
		asked = append(asked, wire.Request{Command: wire.Auth, Secret: *e.cfg.secret})
	}
	if c.ref != "" {
		asked = append(asked, wire.Request{Command: wire.StableRef, Secret: c.ref})
	}
	asked = append(asked, wire.Request{Command: wire.Hello})
	var out []byte
	for i := range asked {
		if out, err = wire.AppendRequest(out, &asked[i]); err != nil {
			return false, err
		}
	}
	if _, err := c.rw.Write(out); err != nil {
		return false, err
	}
	for _, a := range asked {
		r, err := readReply(c.reader, a.Command)
		if err != nil {
			return false, err
		}
		if original, err = c.greeted(a.Command, r); err != nil {
			return false, err
		}
	}
	return original, nil
}

// greeted takes the answer to one of the requests of greet.
func (c *conn) greeted(asked wire.Command, r wire.Reply) (original bool, err error) {
	refused := r.Status == wire.Error || r.Status == wire.ErrorOther
	switch {
	case asked == wire.Hello && refused:
		return true, nil
	case asked == wire.Auth && r.Status == wire.Error:
		return false, fmt.Errorf("%w: it has none (start it with --auth-token, or do without WithAuth)", ErrAuth)
	case asked == wire.StableRef && refused:
		return false, fmt.Errorf("%w: it knows no references, so it is no member of a cluster (see WithCluster)", ErrRefused)
	case r.Status != wire.OK:
		return false, refusal(r)
	case asked == wire.Hello:
		if c.features, err = wire.ParseFeatures(r.Text); err != nil {
			return false, violation("its hello")
		}
	}
	return false, nil
}

func readReply(r *bufio.Reader, c wire.Command) (wire.Reply, error) {
	line, err := readLine(r, wire.MaxReply)
	if err != nil {
		return wire.Reply{}, err
	}
	reply, err := wire.ParseReply(c, line)
	if err != nil {
		return wire.Reply{}, violation(err.Error())
	}
	return reply, nil
}

// lostError reports whether err says that a slot is lost.
func lostError(err error) bool { return errors.Is(err, slot.ErrLost) }
