package server

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"time"
)

// What a strict server owes to those who hold slots of the one before it.
//
// A server that restarts has forgotten who holds what, while a holder that was
// cut off counts on its lease until that ends, as strict mode promises. So
// nothing may be granted for as long as the longest lease could last: the
// startup grace. That needs a longest lease.
//
// Only a server that somebody could have known before needs a grace: one on a
// fixed address. In memory, on a port that the system picks or on a listener
// of the caller's there is no server before it, as far as this one can tell.

// strictLongestLease is the longest lease of a strict server that is not told
// one, and so its startup grace.
const strictLongestLease = time.Minute

// longestLease is the longest lease of any other server that is not told one.
const longestLease = 24 * time.Hour

// unset stands for a duration that no option has set.
const unset = time.Duration(math.MinInt64)

// WithUnsafeShortStartupGrace lets a strict server on a fixed address start
// with a startup grace shorter than the longest lease, or without a longest
// lease. After a restart a slot can then be held twice: by a holder that was
// cut off from the server before, and by whoever is granted it anew.
func WithUnsafeShortStartupGrace() Option {
	return func(c *config) { c.unsafeGrace = true }
}

// fillIn replaces what no option has set.
func (c *config) fillIn() {
	owes := c.owesGrace()
	if c.maxLease == unset {
		c.maxLease = longestLease
		if owes {
			c.maxLease = max(strictLongestLease, c.defaultLease)
		}
	}
	if c.startupGrace == unset {
		c.startupGrace = 0
		if owes {
			c.startupGrace = cmp.Or(c.maxLease, strictLongestLease)
		}
	}
	c.preAuthTimeout = cmp.Or(c.preAuthTimeout, c.readTimeout)
}

// owesGrace reports whether there may be holders of slots of a server before
// this one, who count on their leases.
func (c *config) owesGrace() bool { return !c.autoRelease && c.fixedAddress() }

// fixedAddress reports whether the server listens where another one can have
// listened before.
func (c *config) fixedAddress() bool {
	if c.unix {
		return true
	}
	if c.inMemory || c.listener != nil {
		return false
	}
	_, port, err := net.SplitHostPort(c.address)
	return err == nil && port != "" && port != "0"
}

// shortGrace reports whether a slot can be held twice after a restart.
func (c *config) shortGrace() bool {
	return c.owesGrace() && (c.maxLease == 0 || c.startupGrace < c.maxLease)
}

// checkGrace returns an error for a short grace that was not asked for by name.
func (c *config) checkGrace() error {
	if !c.shortGrace() || c.unsafeGrace {
		return nil
	}
	leases := "leases of any length"
	if c.maxLease > 0 {
		leases = fmt.Sprintf("leases of up to %v", c.maxLease)
	}
	return fmt.Errorf("server: with %s and a startup grace of %v, a strict server (no auto-release) lets a slot be held twice after a restart: "+
		"set the longest lease, and a startup grace of at least as long (left out, both are %v), or allow it by name (WithUnsafeShortStartupGrace, --unsafe-short-startup-grace)",
		leases, c.startupGrace, strictLongestLease)
}

// logGrace says when claims will be granted, where that is not at once.
func (s *Server) logGrace() {
	c := s.cfg
	if c.shortGrace() {
		s.log.warn("unsafe: a slot can be held twice after a restart", "longest_lease", c.maxLease, "startup_grace", c.startupGrace)
	}
	if c.startupGrace > 0 {
		s.log.info("startup grace: claims wait in line, nothing is granted yet", "startup_grace", c.startupGrace, "longest_lease", c.maxLease)
	}
}
