package dflockd

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

var _ slot.Inspector = (*Source)(nil)

// Inspect asks the server of key who holds its slots and who waits for them, over
// a connection of its own: a dial and a round trip. A server of this module tells
// of each, up to slot.MaxListed, by the names that they were given ([WithName]); an
// original one tells how many there are, and of a lock when its lease ends. Of a
// cluster no one server can be asked: there the error matches
// errors.ErrUnsupported.
func (s *Source) Inspect(ctx context.Context, key string) (slot.State, error) {
	name, server, err := s.serverOf(ctx, "inspect", key)
	if err != nil {
		return slot.State{}, err
	}
	state := slot.State{Name: name}
	err = newEndpoint(s.cfg, server).visit(ctx, func(c *conn) error {
		if c.features.Inspect {
			return c.inspect(name, &state)
		}
		return c.inspectOriginal(name, &state)
	})
	if err != nil {
		return slot.State{}, &Error{Engine: engine, Op: "inspect", Key: name, Server: server, Err: err}
	}
	return state, nil
}

// serverOf returns the name of the semaphore that key means, and where it lives.
func (s *Source) serverOf(ctx context.Context, op, key string) (name, server string, err error) {
	if ctx.Err() != nil {
		return "", "", &Error{Engine: engine, Op: op, Key: key, Err: context.Cause(ctx)}
	}
	if name, _, err = semaphore(s.limits, key); err != nil {
		return "", "", err
	}
	if s.cfg.cluster {
		return "", "", &Error{Engine: engine, Op: op, Key: name, Err: errs.InWords("a cluster has no one server that could be asked", errors.ErrUnsupported)}
	}
	i, err := s.cfg.shard(name)
	if err != nil {
		return "", "", err
	}
	if s.endpoints[i].isClosing() {
		return "", "", &Error{Engine: engine, Op: op, Key: name, Err: ErrClosed}
	}
	return name, s.cfg.servers[i], nil
}

func (e *endpoint) isClosing() bool {
	e.lock()
	defer e.unlock()
	return e.closing
}

// keyState is what a server of this module answers. Times are in milliseconds.
type keyState struct {
	Held    int
	Waiting int
	Paused  int64 `json:"paused_ms"`
	Holders []struct {
		Name, ID string
		Limit    int
		Since    int64 `json:"since_ms"`
		Left     int64 `json:"left_ms"`
	}
	Waiters []struct {
		Name  string
		Limit int
		Since int64 `json:"since_ms"`
	}
}

// inspect asks a server of this module. What it says in milliseconds counts from
// when its answer was read.
func (c *conn) inspect(name string, state *slot.State) error {
	text, err := c.askLong(&wire.Request{Command: wire.Inspect, Key: name})
	if err != nil {
		return err
	}
	var s keyState
	if json.Unmarshal([]byte(text), &s) != nil {
		return violation("the state of a key is no JSON")
	}
	now := time.Now()
	at := func(ms int64) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	state.Held, state.Waiting = s.Held, s.Waiting
	if s.Paused > 0 {
		state.PausedUntil = at(s.Paused)
	}
	for _, h := range s.Holders {
		state.Holders = append(state.Holders, slot.Holder{Name: h.Name, ID: h.ID, Limit: h.Limit, Since: at(-h.Since), Until: at(h.Left)})
	}
	for _, w := range s.Waiters {
		state.Waiters = append(state.Waiters, slot.Waiter{Name: w.Name, Limit: w.Limit, Since: at(-w.Since)})
	}
	return nil
}

// inspectOriginal asks an original server, which knows less.
func (c *conn) inspectOriginal(name string, state *slot.State) error {
	text, err := c.askLong(&wire.Request{Command: wire.Stats})
	if err != nil {
		return err
	}
	var s ServerStats
	if json.Unmarshal([]byte(text), &s) != nil {
		return violation("its stats are no JSON")
	}
	for _, l := range s.Locks {
		if l.Key != name {
			continue
		}
		state.Waiting = l.Waiters
		if l.LeaseExpiresIn > 0 {
			state.Held = 1
			state.Holders = []slot.Holder{{Limit: 1, Until: time.Now().Add(time.Duration(l.LeaseExpiresIn * float64(time.Second)))}}
		}
	}
	for _, m := range s.Semaphores {
		if m.Key == name {
			state.Held, state.Waiting = m.Holders, m.Waiters
		}
	}
	return nil
}
