package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

const (
	// guessPause is how long after a failed attempt the next one from the
	// same address is looked at.
	guessPause = 200 * time.Millisecond
	// maxGuessQueue is how far ahead attempts of an address may queue. Those
	// beyond are refused unseen.
	maxGuessQueue = 5 * time.Second
	// guessMemory is how long an address is remembered after its last turn.
	guessMemory = time.Minute
	// maxGuessers bounds how many addresses are remembered.
	maxGuessers = 10_000
)

// guesses slows down whoever guesses the secret, by address: after a failed
// attempt every further one waits for its turn, guessPause after the one
// before, on however many connections they come. An address that never failed
// does not wait.
type guesses struct {
	mu   sync.Mutex // guards next
	next map[string]time.Duration
}

// turn reserves the next attempt of who and returns when it may be looked at,
// or false if too many wait already.
func (g *guesses) turn(who string, now time.Duration) (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, slow := g.next[who]
	switch {
	case !slow:
		return now, true
	case at+guessMemory < now:
		delete(g.next, who)
		return now, true
	case at-now > maxGuessQueue:
		return 0, false
	}
	at = max(at, now)
	g.next[who] = at + guessPause
	return at, true
}

// failed notes that an attempt of who failed.
func (g *guesses) failed(who string, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.next = map[string]time.Duration{}
	}
	if _, slow := g.next[who]; slow {
		return
	}
	if len(g.next) >= maxGuessers {
		g.forgetLocked(now)
	}
	g.next[who] = now + guessPause
}

// forgetLocked makes room: first what is over, then anybody.
func (g *guesses) forgetLocked(now time.Duration) {
	for who, at := range g.next {
		if at+guessMemory < now {
			delete(g.next, who)
		}
	}
	for who := range g.next {
		if len(g.next) < maxGuessers {
			return
		}
		delete(g.next, who)
	}
}

// guesser returns whom a failed attempt from ip is blamed on: the address, or
// the network where one host has many addresses.
func guesser(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Unmap().Is4() {
		return ip
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return prefix.String()
}

// authenticate does the first request of a connection where there is a
// secret. Anything but the right secret is refused and ends it.
func (c *conn) authenticate(out []byte, r *wire.Request, err error) ([]byte, bool) {
	s := c.srv
	who := guesser(c.ip)
	at, ok := s.guesses.turn(who, s.hub.now())
	right := ok && c.pause(at) && err == nil && r.Command == wire.Auth && sameSecret(string(r.Secret), *s.cfg.secret)
	if right {
		c.authed = true
		return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.OK, Tag: r.Tag}), true
	}
	if ok {
		s.guesses.failed(who, s.hub.now())
	}
	s.countAuthFailure()
	s.log.warn("authentication failed", "peer", c.ip)
	c.pause(s.hub.now() + guessPause)
	c.end()
	return wire.AppendReply(out, wire.Auth, wire.Reply{Status: wire.ErrorAuth, Tag: r.Tag}), false
}

// pause waits until at. It returns false if the server was stopped meanwhile.
func (c *conn) pause(at time.Duration) bool {
	d := at - c.srv.hub.now()
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.srv.ctx.Done():
		return false
	}
}

// sameSecret compares in a time that tells nothing, not even the length.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
