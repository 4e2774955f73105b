package cases

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

const idleCPU = "ms/s" // processor time of a server, a second

func (e *Env) serverGroups() []suite.Group {
	return []suite.Group{
		e.programGroup(),
		e.disconnectGroup(),
		e.holdersGroup(),
		e.waitersGroup(),
		e.leasesGroup(),
	}
}

// programGroup does what the official benchmark program does, with either
// server.
func (e *Env) programGroup() suite.Group {
	l := load{workers: 64, keys: 64, limit: 1}
	g := suite.Group{
		Name: "Servers, locks taken and given back on 64 kept connections",
		Area: suite.Servers,
		Time: claimTime,
		Sides: []suite.Side{
			{Name: "berth's server", Ours: true, Run: e.claims(ours, l, locking)},
			{Name: "original server", Run: e.claims(original, l, locking)},
		},
	}
	g.Rows = []suite.Row{{
		What:   "what the official benchmark program does: berth's server / the original",
		Of:     suite.Speed("berth's server", "original server"),
		Target: suite.AtLeast(1.3, "×"),
	}}
	return g
}

// A visit is work on a server that has been prepared.
type visit struct {
	// prepare makes the server hold something through c, which stays.
	prepare func(c *plain.Conn) error
	// connect returns the work of one of some visitors, which claims once, and
	// what ends it.
	connect func(s *server, visitor int) (work func() error, end func(), err error)
	// check looks at the server after the work has ended.
	check func(s *server) error
}

// visitors is how many visit at once: one by itself measures how long the
// machine takes to wake up.
const visitors = 8

// visits measures a visit, and what it costs the server.
func (e *Env) visits(f flavour, v visit) func(*testing.B) error {
	return func(b *testing.B) error {
		s, err := e.start(f)
		if err != nil {
			return err
		}
		defer s.Stop()
		c, err := s.Dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := v.prepare(c); err != nil {
			return err
		}
		if err := s.timeVisits(b, v); err != nil {
			return err
		}
		return v.check(s)
	}
}

func (s *server) timeVisits(b *testing.B, v visit) error {
	next, finish, err := startWorkers(visitors, func(i int) (func() error, func(), error) { return v.connect(s, i) })
	if err != nil {
		return err
	}
	grants, err := s.grants()
	if err != nil {
		return err
	}
	cost, err := s.meter()
	if err != nil {
		return err
	}
	for b.Loop() {
		next()
	}
	if err := timed(b, finish); err != nil {
		return err
	}
	if err := cost(b); err != nil {
		return err
	}
	counted, err := s.grants()
	if err != nil {
		return err
	}
	return s.checkGrants(way{}, &run{}, counted-grants, b.N)
}

// comeAndGo is the visit of clients that connect, claim a lock, and leave
// without giving it back, to a server that holds others' keys.
func comeAndGo(keys int) visit {
	return visit{
		prepare: func(c *plain.Conn) error { return c.Fill("held-", keys) },
		connect: func(s *server, visitor int) (func() error, func(), error) {
			n := 0
			work := func() error {
				n++
				c, err := s.Dial()
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = c.Lock(fmt.Sprint("visitor-", visitor, "-", n))
				return err
			}
			return work, func() {}, nil
		},
		check: func(s *server) error {
			if keys == 0 {
				return nil
			}
			return s.refuses(fmt.Sprint("held-", keys-1))
		},
	}
}

func (e *Env) disconnectGroup() suite.Group {
	side := func(name string, f flavour, keys int) suite.Side {
		return suite.Side{Name: name, Ours: f.ours, Run: func(b *testing.B) error {
			return e.visits(f, comeAndGo(e.size(keys)))(b)
		}}
	}
	return suite.Group{
		Name: "Servers, a client that comes, claims and leaves",
		Area: suite.Servers,
		Time: claimTime,
		Sides: []suite.Side{
			side("berth's server, no other keys", ours, 0),
			side("berth's server, 100,000 other keys", ours, 100_000),
			side("original server, no other keys", original, 0),
			side("original server, 100,000 other keys", original, 100_000),
		},
		Rows: []suite.Row{{
			What:   "server's processor time for a client that comes, claims and leaves: 100,000 other keys / none",
			Of:     suite.Cost("berth's server, 100,000 other keys", "berth's server, no other keys", serverCPU),
			Target: suite.AtMost(1.2, "×"),
		}},
	}
}

// takeTurns is the visit of a client that claims and gives back a slot of a
// key that n others hold.
func takeTurns(n int) visit {
	const key, limit = "crowd", 1_000_000
	return visit{
		prepare: func(c *plain.Conn) error { return c.Hold(key, n, limit) },
		connect: func(s *server, _ int) (func() error, func(), error) {
			c, err := s.Dial()
			if err != nil {
				return nil, nil, err
			}
			work := func() error {
				token, err := c.Acquire(key, limit)
				if err != nil {
					return err
				}
				return c.Release(key, token)
			}
			return work, func() { _ = c.Close() }, nil
		},
		check: func(s *server) error { return s.eventuallyHolds(key, n) },
	}
}

func (e *Env) holdersGroup() suite.Group {
	side := func(name string, f flavour, n int) suite.Side {
		return suite.Side{Name: name, Ours: f.ours, Run: func(b *testing.B) error { return e.visits(f, takeTurns(e.size(n)))(b) }}
	}
	return suite.Group{
		Name: "Servers, a claim of a key that others hold",
		Area: suite.Servers,
		Time: claimTime,
		Sides: []suite.Side{
			side("berth's server, 1 holder", ours, 1),
			side("berth's server, 10,000 holders", ours, 10_000),
			side("original server, 1 holder", original, 1),
			side("original server, 10,000 holders", original, 10_000),
		},
		Rows: []suite.Row{{
			What:   "server's processor time for a claim: 10,000 holders of the key / 1",
			Of:     suite.Cost("berth's server, 10,000 holders", "berth's server, 1 holder", serverCPU),
			Target: suite.AtMost(1.5, "×"),
		}},
	}
}

// leases measures what a server costs that holds n leases and does nothing.
func (e *Env) leases(f flavour, n int) func(*testing.B) error {
	return func(b *testing.B) error {
		s, err := e.start(f)
		if err != nil {
			return err
		}
		defer s.Stop()
		c, err := s.Dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Fill("held-", n); err != nil {
			return err
		}
		settle, idle := 2*time.Second, 3*time.Second // settle: its garbage collector ends
		if e.short {
			settle, idle = 10*time.Millisecond, 50*time.Millisecond
		}
		time.Sleep(settle)
		used, err := onlyOnce(b, func() (time.Duration, error) { return s.during(idle) })
		if err != nil {
			return err
		}
		b.ReportMetric(float64(used)/float64(time.Millisecond)/idle.Seconds(), idleCPU)
		return s.refuses("held-0") // or there were no leases to keep
	}
}

// during returns the processor time that the server uses in d.
func (s *server) during(d time.Duration) (time.Duration, error) {
	before, err := s.CPU()
	if err != nil {
		return 0, err
	}
	time.Sleep(d)
	after, err := s.CPU()
	return after - before, err
}

// refuses returns an error unless somebody holds the lock.
func (s *server) refuses(key string) error {
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	reply, err := c.Ask("l", key, "0")
	if err != nil {
		return err
	}
	if reply != "timeout" {
		return fmt.Errorf("a lock that is held was answered %q", reply)
	}
	return nil
}

func (e *Env) leasesGroup() suite.Group {
	side := func(name string, f flavour) suite.Side {
		return suite.Side{Name: name, Ours: f.ours, Once: true, Run: func(b *testing.B) error {
			return e.leases(f, e.size(100_000))(b)
		}}
	}
	return suite.Group{
		Name:  "Servers, 100,000 leases and nothing to do",
		Area:  suite.Servers,
		Sides: []suite.Side{side("berth's server", ours), side("original server", original)},
		Rows: []suite.Row{{
			What:   "100,000 leases held: processor time of an idle server, a second",
			Of:     suite.Value("berth's server", idleCPU),
			Target: suite.AtMost(5, "ms"),
		}},
	}
}

// eventuallyHolds returns an error unless n slots of the key end up held: a
// release that was written may still be on its way.
func (s *server) eventuallyHolds(key string, n int) error {
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	holders := -1
	ok := eventually(func() bool {
		var stats plain.Stats
		if stats, err = c.Stats(); err != nil {
			return true
		}
		holders = stats.Holders(key)
		return holders == n
	})
	if err == nil && !ok {
		err = fmt.Errorf("the server says that %d slots of %q are held, should be %d", holders, key, n)
	}
	return err
}
