package dflockd

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// ServerStats is what a server says that it holds.
type ServerStats struct {
	// Server is the address that was asked.
	Server string `json:"-"`
	// Connections is the number of its clients' connections, this one included.
	Connections int `json:"connections"`
	// Locks are the held locks, and semaphores of limit 1.
	Locks []LockStats `json:"locks"`
	// Semaphores are the held semaphores of limit 2 and more.
	Semaphores []SemaphoreStats `json:"semaphores"`
	// IdleLocks and IdleSemaphores are those that nobody holds or waits for.
	IdleLocks      []IdleStats `json:"idle_locks"`
	IdleSemaphores []IdleStats `json:"idle_semaphores"`
}

// LockStats describes a lock.
type LockStats struct {
	Key     string `json:"key"`
	Owner   uint64 `json:"owner_conn_id"`
	Waiters int    `json:"waiters"`
	// LeaseExpiresIn is in seconds.
	LeaseExpiresIn float64 `json:"lease_expires_in_s"`
}

// SemaphoreStats describes a semaphore.
type SemaphoreStats struct {
	Key     string `json:"key"`
	Limit   int    `json:"limit"`
	Holders int    `json:"holders"`
	Waiters int    `json:"waiters"`
}

// IdleStats describes a key that nobody uses.
type IdleStats struct {
	Key string `json:"key"`
	// Idle is in seconds.
	Idle float64 `json:"idle_s"`
}

// Stats asks each server what it holds, over a connection of its own. It takes
// a dial and a round trip to each, one after the other, and returns what it
// got together with the errors of those that did not answer.
func Stats(ctx context.Context, opts ...Option) ([]ServerStats, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	var all []ServerStats
	var errs []error
	for _, server := range cfg.servers {
		st, err := readStats(ctx, cfg, server)
		if err != nil {
			errs = append(errs, &Error{Engine: engine, Op: "stats", Server: server, Err: err})
			continue
		}
		st.Server = server
		all = append(all, st)
	}
	return all, errors.Join(errs...)
}

func readStats(ctx context.Context, cfg *config, server string) (st ServerStats, err error) {
	err = newEndpoint(cfg, server).visit(ctx, func(c *conn) error {
		text, err := c.askLong(&wire.Request{Command: wire.Stats})
		if err != nil {
			return err
		}
		if json.Unmarshal([]byte(text), &st) != nil {
			return violation("its stats are no JSON")
		}
		return nil
	})
	return st, err
}
