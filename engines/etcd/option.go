package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/berth-go/berth/slot"
)

const (
	defaultPrefix  = "berth/"
	defaultLease   = 10 * time.Second
	shortestLease  = 2 * time.Second // what etcd grants with the default of its election timeout
	longestLease   = 24 * time.Hour
	defaultTimeout = 5 * time.Second
)

// An Option configures a [Source]. An option with a value that cannot work makes
// NewSource return an error.
type Option func(*config) error

// WithPrefix sets what the keys of the source in etcd begin with (default
// "berth/"). It ends in a slash. Every client of a semaphore must be given the same
// one. With etcd's access control the user has to have readwrite on the prefix.
func WithPrefix(prefix string) Option {
	return func(c *config) error {
		c.keys.root = prefix
		return checkPrefix(prefix)
	}
}

// WithLease sets how long etcd keeps the slots of this source when it is heard of
// no more (default 10 s). It is rounded up to whole seconds; 2 s is the least, and
// etcd may grant longer ones. A lease is renewed after a third of it, or 7 s. In
// production it should be 10 s or more: an election of a leader takes about 2 s, a
// frozen leader costs more, and a lease that cannot be renewed meanwhile is lost.
// When a process dies, its slots are free after a lease.
func WithLease(d time.Duration) Option {
	return func(c *config) error {
		if d < shortestLease || d > longestLease {
			return fmt.Errorf("WithLease: %v is not between %v and %v", d, shortestLease, longestLease)
		}
		c.lease = d
		return nil
	}
}

// WithRequestTimeout sets how long etcd may take to answer a request (default 5 s).
// Renewals of the lease have a shorter one.
func WithRequestTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithRequestTimeout: %v is not longer than 0", d)
		}
		c.timeout = d
		return nil
	}
}

// WithName sets what the source calls itself to those who look who holds slots and
// who waits (default [slot.DefaultName]).
func WithName(name string) Option {
	return func(c *config) error {
		c.name = name
		if err := slot.CheckName(name); err != nil {
			return fmt.Errorf("WithName: %w", err)
		}
		return nil
	}
}

// WithLogger sets where faults are logged that no call can tell of (default
// slog.Default, looked up when there is something to say).
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log = l
		return nil
	}
}

// config is what the options set. It does not change after NewSource.
type config struct {
	keys    layout
	lease   time.Duration
	timeout time.Duration
	name    string
	log     *slog.Logger // nil: slog.Default()

	// For tests: what time.Now returned, as the wall clock has it.
	wall func(now time.Time) time.Time
}

// newConfig applies opts to the defaults.
func newConfig(opts []Option) (*config, error) {
	c := &config{
		keys: layout{defaultPrefix}, lease: defaultLease, timeout: defaultTimeout, name: slot.DefaultName(),
		wall: func(now time.Time) time.Time { return now },
	}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		errs = append(errs, opt(c))
	}
	return c, errors.Join(errs...)
}

// leaseSeconds returns the lease as etcd counts it.
func (c *config) leaseSeconds() int64 { return int64((c.lease + time.Second - 1) / time.Second) }

// logger returns where to say what there is nobody to tell.
func (c *config) logger() *slog.Logger {
	if c.log != nil {
		return c.log
	}
	return slog.Default()
}

// within returns a context for one request.
func (c *config) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}
