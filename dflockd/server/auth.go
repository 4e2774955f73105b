package server

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

const (
	// answersPerSecond is how many wrong secrets of one address are answered
	// in any second. Those beyond are not answered: the connection is closed.
	answersPerSecond = 10
	// answerPause is how long the answer to a wrong secret takes.
	answerPause = 200 * time.Millisecond
	// closePause is how long it takes until a connection is closed whose wrong
	// secret is not answered. It is what such a guess costs, and short enough
	// for clients that cannot stop waiting.
	closePause = 500 * time.Millisecond
	// maxGuessers bounds how many addresses are remembered.
	maxGuessers = 10_000
)

// authenticate does the first request of a connection where there is a
// secret. A right one is looked at and accepted at once, whatever else comes
// from its address; anything else ends the connection.
func (c *conn) authenticate(out []byte, r *wire.Request, err error) ([]byte, bool) {
	if err == nil && r.Command == wire.Auth && (c.isAdmin(r.Secret) || c.srv.secrets.Load().has(r.Secret)) {
		c.authed = true
		return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.OK, Tag: r.Tag}), true
	}
	return c.turnAway(out, r.Tag), false
}

// isAdmin makes c an administrator's connection if the secret is one of theirs.
func (c *conn) isAdmin(shown wire.Secret) bool {
	if !c.srv.admins.Load().has(shown) {
		return false
	}
	c.admin = true
	return true
}

// promote does an auth on a connection that needs none. Without administrators it
// is an error, as it was.
func (c *conn) promote(out []byte, r *wire.Request) ([]byte, bool) {
	switch {
	case c.srv.admins.Load() == nil:
		return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.Error, Tag: r.Tag}), true
	case c.isAdmin(r.Secret):
		return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.OK, Tag: r.Tag}), true
	default:
		return c.turnAway(out, r.Tag), false
	}
}

// turnAway ends a connection that began with something else than a right
// secret, and says so as long as its address has answers left. Clients take
// error_auth for final and a connection that is closed for a broken one, so
// the answer is kept for those who are really wrong.
func (c *conn) turnAway(out []byte, tag uint64) []byte {
	s := c.srv
	answered := s.guesses.takeAnswer(c.from, s.hub.now())
	s.countAuthFailure()
	s.log.warn("authentication failed", "peer", c.ip, "answered", answered)
	c.end()
	if !answered {
		c.pause(closePause)
		return out
	}
	c.pause(answerPause)
	return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.ErrorAuth, Tag: tag})
}

// pause waits for d, or until the server is stopped.
func (c *conn) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.srv.ctx.Done():
	}
}

// guesses counts the answers to wrong secrets, by address. Addresses that were
// given none for a second or two are forgotten.
type guesses struct {
	mu      sync.Mutex // guards what follows
	rotated time.Duration
	recent  map[string]*answers // given an answer since rotated
	older   map[string]*answers // in the turn before
}

// answers are the last ones that an address was given: from when on each may be
// followed by another one.
type answers struct {
	free [answersPerSecond]time.Duration
	next int // the oldest
}

// takeAnswer reports whether a wrong secret from this address is answered, and
// counts it if so.
func (g *guesses) takeAnswer(from string, now time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.recent == nil || now >= g.rotated+time.Second {
		g.older, g.recent, g.rotated = g.recent, map[string]*answers{}, now
	}
	a := g.recent[from]
	if a == nil {
		a = g.older[from]
	}
	if a == nil {
		a = new(answers)
	}
	if a.free[a.next] > now || len(g.recent) >= maxGuessers && g.recent[from] == nil {
		return false
	}
	a.free[a.next] = now + time.Second
	a.next = (a.next + 1) % answersPerSecond
	g.recent[from] = a
	return true
}

// unixPeer is the address of all who connect over a Unix socket, where the
// system does not say which user that is.
const unixPeer = "unix"

// peerOf is addressOf for what has no address: both are "" in memory, and the
// user over a Unix socket.
func peerOf(nc net.Conn) (ip, from string) {
	switch nc := nc.(type) {
	case *memConn:
		return "", ""
	case *net.UnixConn:
		user := unixUser(nc)
		return user, user
	}
	return addressOf(nc.RemoteAddr())
}

// addressOf returns who is at the other end: the address without its port, for
// the log, and what is counted as one address: that, or the network where one
// host has many addresses.
func addressOf(a net.Addr) (ip, from string) {
	if a.Network() == "unix" {
		return unixPeer, unixPeer
	}
	ip, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), a.String()
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip, ip
	}
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		return ip, addr.String()
	}
	return ip, netip.PrefixFrom(addr, 64).Masked().String()
}
