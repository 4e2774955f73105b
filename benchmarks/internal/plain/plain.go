// Package plain is a dflockd client with nothing in it: it dials, writes a
// request, reads a line. It stands for what the official Go client does on the
// wire, and for one that keeps its connection.
package plain

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Dialer says how to reach a server.
type Dialer struct {
	Addr   string
	TLS    *tls.Config // nil: plain TCP
	CAFile string      // what TLS trusts, for other programs
	Secret string      // empty: no auth request
	From   net.IP      // the local address, or nil
}

// A Conn is one connection. It is used by one goroutine.
type Conn struct {
	nc net.Conn
	r  *bufio.Reader
}

// Dial connects, and authenticates where there is a secret.
func (d Dialer) Dial() (*Conn, error) {
	nd := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if d.From != nil {
		nd.LocalAddr = &net.TCPAddr{IP: d.From}
		nd.Control = portAtConnect
	}
	var nc net.Conn
	var err error
	if d.TLS != nil {
		nc, err = tls.DialWithDialer(nd, "tcp", d.Addr, d.TLS)
	} else {
		nc, err = nd.Dial("tcp", d.Addr)
	}
	if err != nil {
		return nil, err
	}
	c := &Conn{nc: nc, r: bufio.NewReader(nc)}
	if d.Secret == "" {
		return c, nil
	}
	if reply, err := c.Ask("auth", "_", d.Secret); err != nil || reply != "ok" {
		_ = nc.Close()
		return nil, fmt.Errorf("auth: answered %q: %w", reply, err)
	}
	return c, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Ask sends one request and returns the line that answers it.
func (c *Conn) Ask(verb, key, arg string) (string, error) {
	if err := c.Send(verb, key, arg); err != nil {
		return "", err
	}
	return c.Line()
}

// Send writes one request.
func (c *Conn) Send(verb, key, arg string) error {
	_, err := c.nc.Write([]byte(verb + "\n" + key + "\n" + arg + "\n"))
	return err
}

// Line reads one answer.
func (c *Conn) Line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Acquire claims a slot of a semaphore, waits for it for up to 10 s, and
// returns its token.
func (c *Conn) Acquire(key string, limit int) (string, error) {
	return token(c.Ask("sl", key, "10 "+strconv.Itoa(limit)))
}

// Release gives a slot back.
func (c *Conn) Release(key, token string) error { return c.done("sr", key, token) }

// Lock claims a lock as the official benchmark program does: it waits for up
// to 30 s and asks for a lease of 10 s.
func (c *Conn) Lock(key string) (string, error) { return token(c.Ask("l", key, "30 10")) }

// Enqueue claims a lock that is free, for ten minutes.
func (c *Conn) Enqueue(key string) (string, error) { return token(c.Ask("e", key, "600")) }

// Unlock gives a lock back.
func (c *Conn) Unlock(key, token string) error { return c.done("r", key, token) }

func (c *Conn) done(verb, key, arg string) error {
	reply, err := c.Ask(verb, key, arg)
	if err != nil {
		return err
	}
	if reply != "ok" {
		return fmt.Errorf("%s of key %q was answered %q", verb, key, reply)
	}
	return nil
}

func token(reply string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	f := strings.Fields(reply)
	if len(f) < 3 || f[0] != "ok" && f[0] != "acquired" {
		return "", fmt.Errorf("a claim was answered %q", reply)
	}
	return f[1], nil
}

// Once claims a slot on a connection of its own, as the official client's
// Semaphore does, calls hold, and gives the slot back.
func (d Dialer) Once(key string, limit int, hold func()) error {
	c, err := d.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	t, err := c.Acquire(key, limit)
	if err != nil {
		return err
	}
	hold()
	return c.Release(key, t)
}

// Fill makes the server hold a lock of a minute on each of n keys, in
// batches, through this connection.
func (c *Conn) Fill(prefix string, n int) error {
	return c.pipeline(n, "acquired ", func(i int) string {
		return "e\n" + prefix + strconv.Itoa(i) + "\n600\n"
	})
}

// Hold takes n slots of the semaphore key, which has limit slots, in batches.
func (c *Conn) Hold(key string, n, limit int) error {
	request := fmt.Sprintf("sl\n%s\n0 %d 600\n", key, limit)
	return c.pipeline(n, "ok ", func(int) string { return request })
}

const batch = 200

func (c *Conn) pipeline(n int, want string, request func(int) string) error {
	for from := 0; from < n; from += batch {
		var out strings.Builder
		upTo := min(from+batch, n)
		for i := from; i < upTo; i++ {
			out.WriteString(request(i))
		}
		if _, err := c.nc.Write([]byte(out.String())); err != nil {
			return err
		}
		for range upTo - from {
			if reply, err := c.Line(); err != nil || !strings.HasPrefix(reply, want) {
				return fmt.Errorf("filling the server: answered %q: %w", reply, err)
			}
		}
	}
	return nil
}

// Stats are the parts of a server's stats that the benchmarks look at.
type Stats struct {
	Connections int `json:"connections"`
	Held        int `json:"held"` // slots; our server tells it
	Locks       []struct {
		Key     string `json:"key"`
		Waiters int    `json:"waiters"`
	} `json:"locks"`
	Semaphores []struct {
		Key     string `json:"key"`
		Holders int    `json:"holders"`
		Waiters int    `json:"waiters"`
	} `json:"semaphores"`
}

// Stats asks the server for its stats.
func (c *Conn) Stats() (Stats, error) {
	reply, err := c.Ask("stats", "_", "")
	if err != nil {
		return Stats{}, err
	}
	text, ok := strings.CutPrefix(reply, "ok ")
	if !ok {
		return Stats{}, fmt.Errorf("stats was answered %q", reply)
	}
	var s Stats
	return s, json.Unmarshal([]byte(text), &s)
}

// Holders returns how many slots of a semaphore are held.
func (s Stats) Holders(key string) int {
	for _, k := range s.Semaphores {
		if k.Key == key {
			return k.Holders
		}
	}
	return 0
}

// Waiters returns how many wait for a lock.
func (s Stats) Waiters(key string) int {
	for _, k := range s.Locks {
		if k.Key == key {
			return k.Waiters
		}
	}
	return 0
}

// Fence returns the number in the token of a fresh grant. On our server it is
// one counter that grows by one with each grant, so that the difference of two
// fences counts the grants between them. The original server has none.
func (d Dialer) Fence() (uint64, error) {
	c, err := d.Dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	t, err := c.Lock("fence")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(t[:16], 16, 64)
	if err != nil {
		return 0, fmt.Errorf("token of a lock: %w", err)
	}
	return n, c.Unlock("fence", t)
}
