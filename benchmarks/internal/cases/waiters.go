package cases

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// Metrics of the scenarios with many waiters.
const (
	memoryEach = "KiB-each"           // memory of the server for each waiter
	slowest    = "ms-slowest-request" // of another client, after they were dropped
	delay      = "ms-until-granted"   // of a live one behind them
)

const (
	crowdRole = "crowd"
	crowdKey  = "crowd"
)

// Roles are what the benchmarks' program does when it has started itself
// again. They are for [proc.RunRole].
var Roles = map[string]proc.Role{crowdRole: joinCrowd, handOverRole: joinHandOver}

// crowded keeps the connections of the crowd's process open until it ends: one
// that nothing refers to is closed.
var crowded []*plain.Conn

// joinCrowd makes many connections that all wait for one lock. Its arguments
// are the server's address and their number.
func joinCrowd(args []string) error {
	if len(args) != 2 {
		return errors.New("want an address and a number")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := range n {
		from := net.IPv4(127, 0, 0, byte(2+i/perAddress))
		c, err := waitFor(plain.Dialer{Addr: args[0], From: from})
		if err != nil {
			return err
		}
		crowded = append(crowded, c)
	}
	return nil
}

// perAddress is how many connections of the crowd share a local address. The
// kernel's search for a free port gets slow long before they run out.
const perAddress = 4_000

// waitFor joins the line of the crowd's lock on a connection of its own.
func waitFor(d plain.Dialer) (*plain.Conn, error) {
	c, err := d.Dial()
	if err != nil {
		return nil, err
	}
	if reply, err := c.Ask("e", crowdKey, "600"); err != nil || reply != "queued" {
		_ = c.Close()
		return nil, fmt.Errorf("joining the line was answered %q: %w", reply, err)
	}
	return c, c.Send("w", crowdKey, "600")
}

// A crowd is a server with a lock that one client holds, that many processes'
// connections wait for, and last in line one of this process.
type crowd struct {
	*server
	waiters *proc.Process
	n       int
	each    float64     // KiB
	holder  *plain.Conn // holds the lock
	token   string
	live    *plain.Conn // last in line
	other   *plain.Conn // wants something else
	watch   *plain.Conn // asks for stats
}

// gather starts a server and lets n connections of another process wait.
func (e *Env) gather(f flavour, n int) (c *crowd, err error) {
	s, err := e.start(f)
	if err != nil {
		return nil, err
	}
	c = &crowd{server: s, n: n}
	defer func() {
		if err != nil {
			c.disperse()
		}
	}()
	for _, conn := range []**plain.Conn{&c.holder, &c.other, &c.watch} {
		if *conn, err = s.Dial(); err != nil {
			return c, err
		}
	}
	if c.token, err = c.holder.Enqueue(crowdKey); err != nil {
		return c, err
	}
	before, err := s.Memory()
	if err != nil {
		return c, err
	}
	if c.waiters, err = proc.StartChild(crowdRole, s.Addr, strconv.Itoa(n)); err != nil {
		return c, err
	}
	if err := c.await(n); err != nil {
		return c, err
	}
	after, err := s.Memory()
	if err != nil {
		return c, err
	}
	c.each = float64(after-before) / 1024 / float64(n)
	if c.live, err = waitFor(s.Dialer); err != nil {
		return c, err
	}
	return c, c.await(n + 1)
}

// await waits until the server counts n waiters.
func (c *crowd) await(n int) error {
	got := -1
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stats, err := c.watch.Stats()
		if err != nil {
			return err
		}
		if got = stats.Waiters(crowdKey); got == n {
			return nil
		}
	}
	return fmt.Errorf("the server counts %d waiters, should be %d", got, n)
}

func (c *crowd) disperse() {
	for _, conn := range []*plain.Conn{c.holder, c.live, c.other, c.watch} {
		if conn != nil {
			_ = conn.Close()
		}
	}
	if c.waiters != nil {
		c.waiters.Stop()
	}
	c.server.Stop()
}

// request takes a lock that nobody else wants and gives it back.
func (c *crowd) request() (time.Duration, error) {
	start := time.Now()
	token, err := c.other.Lock("another")
	if err == nil {
		err = c.other.Unlock("another", token)
	}
	return time.Since(start), err
}

// forget is how long a server is given to notice that its waiters are dead.
const forget = 3 * time.Second

// dropped measures, while the process with all the waiters dies, the slowest
// request of another client until the server has forgotten them.
func (c *crowd) dropped() (worst time.Duration, err error) {
	go c.waiters.Stop()
	for deadline := time.Now().Add(forget); time.Now().Before(deadline); {
		for range 20 {
			took, err := c.request()
			if err != nil {
				return 0, err
			}
			worst = max(worst, took)
		}
		stats, err := c.watch.Stats()
		if err != nil {
			return 0, err
		}
		if c.waiters.Ended() && stats.Waiters(crowdKey) <= 1 {
			return worst, c.grantLive()
		}
	}
	return worst, nil // the original server notices only when it grants
}

// behindDead measures how long the live waiter waits for its grant after the
// holder has left, when all before it have just died.
func (c *crowd) behindDead() (time.Duration, error) {
	c.waiters.Stop()
	start := time.Now()
	err := c.grantLive()
	return time.Since(start), err
}

// grantLive gives the lock back and reads the live waiter's grant.
func (c *crowd) grantLive() error {
	if err := c.holder.Unlock(crowdKey, c.token); err != nil {
		return err
	}
	line, err := c.live.Line()
	if err != nil {
		return err
	}
	if len(line) < 35 || line[:3] != "ok " {
		return fmt.Errorf("the live waiter was answered %q", line)
	}
	return nil
}

// crowds measures a scenario with n waiters.
func (e *Env) crowds(f flavour, n int, metric string, scenario func(*crowd) (time.Duration, error)) func(*testing.B) error {
	return func(b *testing.B) error {
		n := e.connections(e.size(n))
		c, err := e.gather(f, n)
		if err != nil {
			return err
		}
		defer c.disperse()
		took, err := onlyOnce(b, func() (time.Duration, error) { return scenario(c) })
		if err != nil {
			return err
		}
		b.ReportMetric(float64(took)/float64(time.Millisecond), metric)
		b.ReportMetric(c.each, memoryEach)
		return nil
	}
}

func (e *Env) waitersGroup() suite.Group {
	const n = 19_000
	const drop, dead = ", dropped at once", ", dead before a live one"
	g := suite.Group{Name: "Servers, 19,000 waiters", Area: suite.Servers}
	for _, s := range []struct {
		name string
		flavour
	}{{"berth's server", ours}, {"original server", original}} {
		g.Sides = append(g.Sides,
			suite.Side{Name: s.name + drop, Ours: s.ours, Once: true, Run: e.crowds(s.flavour, n, slowest, (*crowd).dropped)},
			suite.Side{Name: s.name + dead, Ours: s.ours, Once: true, Run: e.crowds(s.flavour, n, delay, (*crowd).behindDead)})
	}
	g.Rows = []suite.Row{
		{What: "19,000 waiters: the server's memory for each", Of: suite.Value("berth's server"+drop, memoryEach), Target: suite.AtMost(5, "KiB")},
		{What: "19,000 waiters dropped at once: another client's slowest request", Of: suite.Value("berth's server"+drop, slowest), Target: suite.AtMost(100, "ms")},
		{What: "19,000 dead waiters: how long they delay a live one behind them", Of: suite.Value("berth's server"+dead, delay), Target: suite.AtMost(10, "ms")},
	}
	return g
}
