package dflockd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
	"github.com/berth-go/berth/slot"
)

const (
	defaultServer         = "127.0.0.1:6388"
	embeddedAddress       = "localhost:0" // of a server that has none; no socket leads there
	defaultAcquireTimeout = 10 * time.Second
	defaultRenewRatio     = 0.5
	defaultConnectTimeout = 3 * time.Second
	defaultSocketTimeout  = 5 * time.Second
	// longestIdle is how long a connection without a slot is kept. It is well
	// under the read timeout of an original server, 23 s, at which the server
	// would write an error that nobody asked for and close.
	longestIdle = 10 * time.Second
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// config is what the options set. It does not change after New.
type config struct {
	servers        []string
	sharding       func(key string, servers int) int
	cluster        bool
	orphanTime     time.Duration
	lease          time.Duration // 0: the server's default
	name           string        // of the holder, for those who look
	renewRatio     float64
	strict         bool
	fence          bool
	tls            *tls.Config
	secret         *wire.Secret // behind a pointer, which no verb of fmt follows; nil: none
	insecureAuth   bool
	connectTimeout time.Duration
	socketTimeout  time.Duration
	dial           DialFunc
	embedded       EmbeddedServer // nil: servers is where to look
	network        []string       // the options that an embedded server excludes and that were given
	log            *slog.Logger
	quiet          bool // no logger was given

	// For Semaphore and Lock only.
	acquireTimeout time.Duration
	waitForServer  bool
	onLost         func(key, token string)
	single         []string // the options of the two above that were given

	// For tests: what time.Now returned, as the wall clock has it; and what the client
	// does is noted there, unless it is nil.
	wall  func(now time.Time) time.Time
	trace *trace.Log
}

// newConfig applies opts to the defaults and validates the whole.
func newConfig(opts []Option) (*config, error) {
	c := &config{
		servers:        []string{defaultServer},
		name:           slot.DefaultName(),
		sharding:       StableHashShard,
		renewRatio:     defaultRenewRatio,
		connectTimeout: defaultConnectTimeout,
		socketTimeout:  defaultSocketTimeout,
		acquireTimeout: defaultAcquireTimeout,
		log:            slog.New(slog.DiscardHandler),
		quiet:          true,
		wall:           func(now time.Time) time.Time { return now },
	}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		errs = append(errs, opt(c))
	}
	errs = append(errs, c.check())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dflockd: %w", err)
	}
	switch {
	case c.embedded != nil:
		c.servers = []string{embeddedAddress}
		c.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.embedded.Dial(ctx) }
	case c.dial == nil:
		c.dial = newDialer().DialContext
	}
	return c, nil
}

// check validates what no single option can see.
func (c *config) check() error {
	if c.embedded != nil && len(c.network) > 0 {
		return fmt.Errorf("WithServer and %s exclude each other: an embedded server is the only one, and is reached in memory", c.network[0])
	}
	for _, server := range c.servers {
		if c.secret != nil && c.tls == nil && !c.insecureAuth && !loopback(server) {
			return fmt.Errorf("the secret would go to %s in the clear: use WithTLS, or WithPlaintextAuth if the network is trusted", server)
		}
	}
	if c.orphanTime > 0 && !c.cluster {
		return errors.New("WithOrphanTime without WithCluster: only a cluster keeps the claims of a broken connection")
	}
	if c.cluster && c.strict {
		return errors.New("WithStrict and WithCluster exclude each other: use WithOrphanTime")
	}
	return nil
}

// loopback reports whether address means this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
