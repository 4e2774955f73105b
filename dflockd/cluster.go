package dflockd

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
)

// In a cluster each connection has a stable reference and one claim at a time.
// A connection that breaks is an orphan as on a strict server; the one that is
// dialled for it shows the same reference and repeats the se of its claim. The
// cluster answers with the same token, or with the place in line, if it still
// has them.

var (
	errNoLeader = errors.New("the cluster has no leader")
	errUnlisted = errors.New("the server named a leader that is not in the list (see WithServers)")
	errLoop     = errors.New("the members of the cluster send each other round in circles")
)

// newReference returns a reference that nobody can guess: whoever knows it can
// take over the claim.
func newReference() wire.Secret {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return wire.Secret(hex.EncodeToString(b[:]))
}

// follow takes note of what c, which does not lead the cluster any more, said,
// and returns it as an error. Only members of the list are followed. Caller
// holds mu.
func (e *endpoint) follow(c *conn, r wire.Reply) error {
	if r.Status == wire.ErrorDraining || r.Text == "" {
		if c.member == e.leader {
			e.leader = (e.leader + 1) % len(e.servers)
		}
		if r.Status == wire.ErrorDraining {
			return ErrDraining
		}
		return errs.Unavailable(errNoLeader)
	}
	i := slices.IndexFunc(e.servers, func(s string) bool { return spelled(s) == spelled(r.Text) })
	if i < 0 {
		return fmt.Errorf("%w: %q", errUnlisted, r.Text)
	}
	e.leader = i
	return errs.Unavailable(fmt.Errorf("%s leads the cluster now", r.Text))
}

// redirected takes an answer to se or sl that says that another member leads.
// Caller holds endpoint.mu.
func (cl *claim) redirected(r wire.Reply, now time.Time) {
	c, e := cl.conn, cl.e
	err := e.follow(c, r)
	known := r.Status == wire.ErrorNotLeader && r.Text != "" && !errors.Is(err, errUnlisted)
	c.end(now)
	cl.hops++
	switch {
	case cl.abandoned != nil || errors.Is(err, errUnlisted):
		cl.finish(err)
	case !known:
		e.dialFailed(c.server(), err, now)
		cl.finish(err)
	case int(cl.hops) > len(e.servers)+1:
		cl.finish(errs.Unavailable(errLoop))
	default:
		cl.move(stageConnect)
		cl.conn = nil
		e.want(cl, now)
	}
}

// server returns the address that c leads to.
func (c *conn) server() string { return c.e.servers[c.member] }

// rejoin repeats the claim's se over a new connection with the same reference.
// Caller holds endpoint.mu.
func (cl *claim) rejoin(ro role, now time.Time) {
	cl.route = routeBack
	cl.sendEnqueue(ro, now)
}

// rejoined takes the answer to the se that a held slot repeated. Caller holds
// endpoint.mu.
func (cl *claim) rejoined(x exchange, r wire.Reply, now time.Time) error {
	if cl.stage != stageHeld {
		if r.Status == wire.Acquired {
			cl.token = r.Token
			cl.sendRelease(now) // given back meanwhile
		}
		return nil
	}
	switch {
	case r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining:
		return cl.e.follow(cl.conn, r)
	case r.Status == wire.Acquired && r.Token == cl.token:
		// The answer does not say when the lease was set. The renewal does.
		cl.sendRenew(roleRenew, cl.conn.pace.Answer(cl.lease), now)
	case r.Status == wire.Acquired:
		c := cl.conn
		cl.lose(errNotOurs, now)
		cl.token = r.Token
		if c.broken == nil {
			cl.sendRelease(now)
		}
	default:
		c := cl.conn
		cl.lose(errNotOurs, now)
		c.end(now) // and with it the place in line that was not asked for
	}
	return nil
}
