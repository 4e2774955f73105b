package faultnet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// A DialFunc connects to the server.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Conditions is what befalls the traffic between a machine and the server.
type Conditions struct {
	// HoldUp holds what the client sends, HoldDown what the server sends.
	// Both together are a partition, and then dials hang too.
	HoldUp, HoldDown bool
	// Frozen holds both directions, but dials succeed: a kernel answers them
	// for a process that is stopped.
	Frozen bool
	// Delay is how long each read is under way.
	Delay time.Duration
	// Split delivers single bytes.
	Split bool
}

type direction uint8

const (
	up   direction = iota // from the client to the server
	down                  // from the server to the client
)

func (c Conditions) holds(d direction) bool {
	return c.Frozen || d == up && c.HoldUp || d == down && c.HoldDown
}

// and returns conditions in which both befall the traffic.
func (c Conditions) and(o Conditions) Conditions {
	return Conditions{
		HoldUp: c.HoldUp || o.HoldUp, HoldDown: c.HoldDown || o.HoldDown, Frozen: c.Frozen || o.Frozen,
		Delay: c.Delay + o.Delay, Split: c.Split || o.Split,
	}
}

// Everybody is the machine whose conditions apply to all machines.
const Everybody = ""

// A Net is the network between the machines and the server. It is safe for
// concurrent use.
type Net struct {
	relays sync.WaitGroup

	mu         sync.Mutex // guards what follows; not held while anything waits
	dial       DialFunc   // nil: refused
	conditions map[string]Conditions
	links      map[*link]struct{}
	changed    chan struct{} // closed and replaced when the conditions change
	dials      []Dialled
	closed     bool
}

// Dialled is one attempt of a machine to connect.
type Dialled struct {
	Machine string
	At      time.Time
}

// New returns a network to the server that dial connects to.
func New(dial DialFunc) *Net {
	return &Net{
		dial: dial, conditions: map[string]Conditions{}, links: map[*link]struct{}{}, changed: make(chan struct{}),
	}
}

// SetServer replaces the server. Without one (nil) dials are refused. The
// connections to the old one stay: whoever stops it ends them.
func (n *Net) SetServer(dial DialFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dial = dial
}

// Set sets the conditions of a machine, or of [Everybody] on top.
func (n *Net) Set(machine string, c Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conditions[machine] = c
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *Net) conditionsLocked(machine string) Conditions {
	return n.conditions[machine].and(n.conditions[Everybody])
}

// Reset resets the connections of a machine, or of [Everybody].
func (n *Net) Reset(machine string) {
	for _, l := range n.linksOf(machine) {
		l.breaks(true)
	}
}

// HalfClose ends what the server sends to a machine, and nothing else: its
// clients read io.EOF, the server goes on reading.
func (n *Net) HalfClose(machine string) {
	for _, l := range n.linksOf(machine) {
		closeWrite(l.client)
	}
}

func (n *Net) linksOf(machine string) []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ls []*link
	for l := range n.links {
		if machine == Everybody || machine == l.machine {
			ls = append(ls, l)
		}
	}
	return ls
}

// Connections returns how many connections of the machine, or of [Everybody],
// are open.
func (n *Net) Connections(machine string) int { return len(n.linksOf(machine)) }

// Dials returns all attempts to connect so far, in their order.
func (n *Net) Dials() []Dialled {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Dialled(nil), n.dials...)
}

// Dial connects a machine to the server, in memory.
func (n *Net) Dial(ctx context.Context, machine string) (net.Conn, error) {
	client, far := Pipe()
	server, err := n.join(ctx, machine, far)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	client.local = server.LocalAddr()
	return client, nil
}

// Dialer returns Dial for one machine in the shape that a client takes.
func (n *Net) Dialer(machine string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return n.Dial(ctx, machine) }
}

// Join connects the far end of a client's connection to the server.
func (n *Net) Join(ctx context.Context, machine string, client net.Conn) error {
	_, err := n.join(ctx, machine, client)
	return err
}

// join is Join, and returns the connection to the server.
func (n *Net) join(ctx context.Context, machine string, client net.Conn) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, Dialled{machine, time.Now()})
	n.mu.Unlock()
	server, err := n.reach(ctx, machine)
	if err != nil {
		return nil, err
	}
	l := &link{n: n, machine: machine, client: client, server: server, broken: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		_ = server.Close()
		return nil, net.ErrClosed
	}
	n.links[l] = struct{}{}
	n.relays.Go(func() {
		l.run()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.links, l)
	})
	return server, nil
}

// reach dials the server once no partition is in the way.
func (n *Net) reach(ctx context.Context, machine string) (net.Conn, error) {
	for {
		n.mu.Lock()
		c, changed, dial, closed := n.conditionsLocked(machine), n.changed, n.dial, n.closed
		n.mu.Unlock()
		switch {
		case closed:
			return nil, net.ErrClosed
		case !c.HoldUp && !c.HoldDown && dial == nil:
			return nil, syscall.ECONNREFUSED
		case !c.HoldUp && !c.HoldDown:
			return dial(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// deliverable waits until the network lets pass what is due then. It returns
// false if the link breaks first.
func (n *Net) deliverable(l *link, d direction, due time.Time) bool {
	if left := time.Until(due); left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.broken:
			return false
		}
	}
	for {
		n.mu.Lock()
		held, changed := n.conditionsLocked(l.machine).holds(d), n.changed
		n.mu.Unlock()
		if !held {
			return true
		}
		select {
		case <-changed:
		case <-l.broken:
			return false
		}
	}
}

func (n *Net) delay(machine string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conditionsLocked(machine).Delay
}

func (n *Net) splits(machine string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conditionsLocked(machine).Split
}

// Close resets all connections and waits until nothing of the network runs.
func (n *Net) Close() {
	n.mu.Lock()
	n.closed = true
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	n.Reset(Everybody)
	n.relays.Wait()
}
