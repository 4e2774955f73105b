package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/berth-go/berth/slot"
)

const (
	defaultPrefix  = "berth:"
	defaultLease   = 10 * time.Second
	defaultTimeout = 2 * time.Second

	shortestLease = time.Second
	longestLease  = 10 * time.Minute // well under the hour after which the script forgets
)

// An Option configures a [Source]. An option with a value that cannot work makes
// NewSource return an error.
type Option func(*config) error

type config struct {
	prefix  string
	lease   time.Duration
	timeout time.Duration
	name    string
	durable bool
	admin   bool
	log     *slog.Logger // nil: slog.Default()
}

func newConfig(opts []Option) (*config, error) {
	c := &config{prefix: defaultPrefix, lease: defaultLease, timeout: defaultTimeout, name: slot.DefaultName()}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// WithPrefix sets what the names of all keys and channels in Redis begin with (default
// "berth:"). Sources with different prefixes share nothing. It has at most 64
// bytes, printable characters without spaces and braces.
func WithPrefix(prefix string) Option {
	return func(c *config) error {
		c.prefix = prefix
		if prefix == "" {
			return errors.New("WithPrefix: the prefix is empty: slots would lie among the keys of others")
		}
		if err := slot.CheckName(prefix); err != nil {
			return fmt.Errorf("WithPrefix: %q: %s", prefix, strings.TrimPrefix(err.Error(), "the name "))
		}
		if strings.ContainsAny(prefix, "{}") {
			return fmt.Errorf("WithPrefix: %q has a brace: Redis Cluster would place keys by it", prefix)
		}
		return nil
	}
}

// WithLease sets how long Redis keeps a slot, or a place in line, that is not renewed
// (default 10 s; from 1 s to 10 minutes). A slot is renewed after a third of it, or
// 7 s, so the lease matters when a process dies, or cannot reach Redis: its slots are
// free after a lease at the latest, and its jobs' contexts end before. A failover, or
// a restart that forgets, costs up to a lease of double holding; see the package's
// documentation.
func WithLease(d time.Duration) Option {
	return func(c *config) error {
		c.lease = d
		if d < shortestLease || d > longestLease {
			return fmt.Errorf("WithLease: %v is not between %v and %v", d, shortestLease, longestLease)
		}
		return nil
	}
}

// WithTimeout sets how long a claim waits for Redis to answer (default 2 s). Then it
// fails with slot.ErrUnavailable. It does not bound the wait in line. It counts
// whatever the timeouts and retries of the client are.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.timeout = d
		if d <= 0 {
			return fmt.Errorf("WithTimeout: %v is not longer than 0", d)
		}
		return nil
	}
}

// WithName sets what this source calls itself to those who look at a line, see
// [slot.Inspector] (default: host and process id).
func WithName(name string) Option {
	return func(c *config) error {
		c.name = name
		if err := slot.CheckName(name); err != nil {
			return fmt.Errorf("WithName: %w", err)
		}
		return nil
	}
}

// WithLogger sets where faults are logged that no caller can be told of (default
// slog.Default()).
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		c.log = l
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		return nil
	}
}

// logger returns where to log, looked up when something is said.
func (c *config) logger() *slog.Logger {
	if c.log == nil {
		return slog.Default()
	}
	return c.log
}
