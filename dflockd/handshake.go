package dflockd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
)

// This file has how a connection is made ready.

// connect opens a connection and makes it ready: TLS, secret, hello. It takes
// at most the connect timeout.
func (e *endpoint) connect(ctx context.Context, server string, ref wire.Secret) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.connectTimeout)
	defer cancel()
	var raw net.Conn
	err := e.cfg.try("the function of WithDialer", func() (err error) {
		raw, err = e.cfg.dial(ctx, "tcp", server)
		if raw == nil && err == nil {
			err = errors.New("the function of WithDialer returned neither a connection nor an error")
		}
		return err
	})
	if err != nil {
		return nil, e.cfg.noConnection(server, err)
	}
	// A handshake that hangs ends with ctx.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	c, err := e.handshake(ctx, raw, server, ref)
	if !stop() && err == nil {
		err = e.cfg.noAnswer(wire.Hello, context.Cause(ctx))
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
			return nil, e.cfg.noTLS(err)
		}
		c.rw = t
	}
	c.reader = bufio.NewReader(c.rw)
	original, err := e.greet(c)
	if err != nil {
		return nil, err
	}
	if c.reader.Buffered() > 0 {
		return nil, errUnasked
	}
	f := &c.features
	if err := e.known.meet(server, f.ID); err != nil {
		return nil, err
	}
	if f.ReadTimeout > 0 {
		f.ReadTimeout = max(f.ReadTimeout, leastReadTimeout)
	}
	c.strict = f.Strict || e.cfg.strict
	c.keeps = c.strict || e.cfg.orphanTime > 0
	f.Ping = f.Ping || e.cfg.cluster
	c.pace = paceFor(e.cfg.renewRatio, f.ReadTimeout)
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
	return t, e.cfg.try("a function of WithTLS", func() error { return t.HandshakeContext(ctx) })
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
	asked = append(asked, wire.Request{Command: wire.Hello, List: e.list, OwnLimits: true, Fields: true, Name: e.cfg.name})
	var out []byte
	for i := range asked {
		if out, err = wire.AppendRequest(out, &asked[i]); err != nil {
			return false, err
		}
	}
	if _, err := c.rw.Write(out); err != nil {
		return false, e.cfg.noAnswer(asked[0].Command, err)
	}
	for _, a := range asked {
		r, err := readReply(c.reader, a.Command)
		if err != nil {
			return false, e.cfg.noAnswer(a.Command, err)
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
		return false, errs.InWords("the server was shown a secret and has none: start it with --auth-token-file, or do without WithAuth", ErrAuth)
	case asked == wire.Auth && r.Status == wire.ErrorAuth:
		return false, errs.InWords("the server refused the secret: give the one that it was started with (WithAuth)", ErrAuth)
	case r.Status == wire.ErrorAuth && c.e.cfg.secret == nil:
		return false, errs.InWords("the server asks for a secret: give it (WithAuth)", ErrAuth)
	case asked == wire.StableRef && refused:
		return false, errs.InWords("the server knows no references, so it is no member of a cluster: do without WithCluster", ErrRefused)
	case r.Status != wire.OK:
		return false, refusal(r)
	case asked == wire.Hello:
		if c.features, err = wire.ParseFeatures(r.Text); err != nil {
			return false, violation("its hello")
		}
	}
	return false, nil
}

// readReply reads the answer to a request of greet.
func readReply(r *bufio.Reader, c wire.Command) (wire.Reply, error) {
	if _, err := r.Peek(1); err != nil {
		return wire.Reply{}, err
	}
	if err := stranger(r); err != nil {
		return wire.Reply{}, err
	}
	line, err := readLine(r, wire.MaxReply)
	if err != nil {
		return wire.Reply{}, err
	}
	reply, err := wire.ParseReply(c, line)
	if err != nil {
		return wire.Reply{}, errs.InWords("what answers there is no dflockd: correct the address (WithServers)", ErrProtocol, err)
	}
	return reply, nil
}
