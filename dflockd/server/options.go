package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/berth-go/berth/internal/trace"
)

// An Option changes a setting of [Start].
type Option func(*config)

// config is what the options set.
type config struct {
	address         string
	inMemory        bool
	listener        net.Listener
	unix            bool
	unixPath        string
	unixMode        fs.FileMode
	metricsAddress  string
	defaultLease    time.Duration
	maxLease        time.Duration
	readTimeout     time.Duration
	writeTimeout    time.Duration
	shutdownTimeout time.Duration
	preAuthTimeout  time.Duration
	startupGrace    time.Duration
	unsafeGrace     bool
	autoRelease     bool
	maxLocks        int
	maxWaiters      int
	maxPlaces       int
	maxSlots        int
	maxAhead        int
	maxConns        int
	maxConnsPerIP   int
	mixedLists      bool
	tls             *tls.Config
	secrets         []string   // nil: none is asked for
	hashes          *secretSet // of secrets; set by validate
	adminSecrets    []string   // nil: nobody is an administrator
	adminHashes     *secretSet // of adminSecrets; set by validate
	logger          *slog.Logger
	nilOption       bool
	trace           *trace.Log // nil: nothing is noted; for tests
}

// minAhead is room for a request of the longest lines, several times.
const minAhead = 4 << 10

func defaults() config {
	return config{
		address:         "127.0.0.1:6388",
		defaultLease:    33 * time.Second,
		readTimeout:     23 * time.Second,
		writeTimeout:    5 * time.Second,
		shutdownTimeout: 30 * time.Second,
		maxLease:        unset,
		startupGrace:    unset,
		autoRelease:     true,
		maxLocks:        1024,
		maxPlaces:       10_000,
		maxSlots:        10_000,
		maxAhead:        64 << 10,
		maxConnsPerIP:   16_384,
		logger:          slog.New(slog.DiscardHandler),
	}
}

// WithAddress sets the TCP address to listen on, by default
// "127.0.0.1:6388". Port 0 picks a free one, see [Server.Addr].
func WithAddress(address string) Option {
	return func(c *config) { c.address = address }
}

// WithInMemory makes the server listen on no TCP address: connections come
// from [Server.Dial] alone, and from the socket of [WithUnixSocket] if there
// is one.
func WithInMemory() Option {
	return func(c *config) { c.inMemory = true }
}

// WithListener makes the server accept from ln instead of listening itself.
// The server closes ln when it shuts down, or when Start fails.
func WithListener(ln net.Listener) Option {
	return func(c *config) { c.listener = ln }
}

// WithMetricsAddress serves a page of figures in the Prometheus text format
// at /metrics on this TCP address. A host that is missing means loopback. By
// default there is none.
func WithMetricsAddress(address string) Option {
	return func(c *config) { c.metricsAddress = address }
}

// WithDefaultLease sets the lease of requests that ask for none, by default
// 33 s. It is a whole number of seconds.
//
// A lease is also how long a client that is stopped holds up the line when its
// turn has come: k of them in front of a live one delay it by up to k leases
// (k/n, rounded down, where the limit is n).
func WithDefaultLease(d time.Duration) Option {
	return func(c *config) { c.defaultLease = d }
}

// WithMaxLease caps leases: a longer one is shortened, and the reply says so.
// It is a whole number of seconds; 0 means no cap. By default it is a day, but
// for a strict server on a fixed address: there it is 60 s, or the default
// lease if that is longer, see [WithStartupGrace].
func WithMaxLease(d time.Duration) Option {
	return func(c *config) { c.maxLease = d }
}

// WithReadTimeout sets how long a connection may take to send a whole
// request, counted from the answer to the one before; by default 23 s. It
// does not run while a request of the connection waits. A connection that
// takes longer is answered error and closed.
func WithReadTimeout(d time.Duration) Option {
	return func(c *config) { c.readTimeout = d }
}

// WithWriteTimeout sets how long a client may take to read its answers before
// it is cut off, by default 5 s; 0 means for ever.
func WithWriteTimeout(d time.Duration) Option {
	return func(c *config) { c.writeTimeout = d }
}

// WithShutdownTimeout bounds the drain that begins when the context given to
// [Start] ends, by default 30 s; 0 means for ever.
func WithShutdownTimeout(d time.Duration) Option {
	return func(c *config) { c.shutdownTimeout = d }
}

// WithPreAuthTimeout sets how long a connection may take to finish the TLS
// handshake and, where there is a secret, to show it. Then it is closed without
// an answer. 0, the default, means as long as the read timeout.
func WithPreAuthTimeout(d time.Duration) Option {
	return func(c *config) { c.preAuthTimeout = d }
}

// WithStartupGrace makes the server grant nothing for d after it started;
// claims wait in line. With auto-release off and d the longest lease in use,
// a slot that was granted before a crash is not granted again while its
// holder may still count on it.
//
// By default there is no grace, but for a strict server on a fixed address
// ([WithAutoRelease] off; a port other than 0, or a Unix socket): there it is
// the longest lease, and a shorter one is refused, also 0, unless
// [WithUnsafeShortStartupGrace] allows it. If the server before this one granted
// longer leases, d must be as long as those. In memory and on a listener of
// yours ([WithListener]) the grace is yours to choose.
func WithStartupGrace(d time.Duration) Option {
	return func(c *config) { c.startupGrace = d }
}

// WithAutoRelease sets whether the slots of a connection that closes are
// given to the next in line at once (true, the default) or only when their
// leases end (strict mode). Its places in line are given up at once in either
// case. A strict server has a startup grace, see [WithStartupGrace].
func WithAutoRelease(on bool) Option {
	return func(c *config) { c.autoRelease = on }
}

// WithMaxLocks bounds how many keys may be held or waited for, by default
// 1,024; 0 means any number.
func WithMaxLocks(n int) Option {
	return func(c *config) { c.maxLocks = n }
}

// WithMaxWaiters bounds how many claims may wait for one key; 0, the default,
// means any number.
func WithMaxWaiters(n int) Option {
	return func(c *config) { c.maxWaiters = n }
}

// WithMaxPlacesPerConnection bounds how many claims of one connection may wait,
// by default 10,000; 0 means any number. A claim beyond is answered
// error_max_waiters, and the log says which bound it was.
func WithMaxPlacesPerConnection(n int) Option {
	return func(c *config) { c.maxPlaces = n }
}

// WithMaxSlotsPerConnection bounds how many slots one connection may hold,
// those that it waits for included, by default 10,000; 0 means any number. A
// claim beyond is answered error_max_locks, and the log says which bound it
// was.
func WithMaxSlotsPerConnection(n int) Option {
	return func(c *config) { c.maxSlots = n }
}

// WithMaxBytesAhead bounds how many bytes of requests a connection may send
// ahead while an earlier one waits, is worked on, or is being answered, by
// default 64 KiB and at least 4 KiB. Beyond that it is not read until there is
// room; that costs the client nothing but time.
func WithMaxBytesAhead(n int) Option {
	return func(c *config) { c.maxAhead = n }
}

// WithMaxConnections bounds the connections; more are accepted and closed at
// once. 0, the default, means any number.
func WithMaxConnections(n int) Option {
	return func(c *config) { c.maxConns = n }
}

// WithMaxConnectionsPerIP is WithMaxConnections for each client address, as
// [WithSecrets] tells addresses apart; by default 16,384. In-memory connections
// do not count.
func WithMaxConnectionsPerIP(n int) Option {
	return func(c *config) { c.maxConnsPerIP = n }
}

// WithMixedServerLists lets clients claim that were given different lists of
// servers. Without it their claims are refused while others with another list hold
// or wait for slots here: they may look for one key on different servers, and so
// hold more slots of it than its limit. It is for clients whose lists differ and
// whose keys do not meet.
func WithMixedServerLists() Option {
	return func(c *config) { c.mixedLists = true }
}

// WithTLS serves TLS with cfg, which is cloned; versions before 1.2 are not
// spoken. Set ClientCAs and ClientAuth in it for mutual TLS. To change
// certificates while the server runs, set GetConfigForClient; what that returns
// is used as it is, and sets MinVersion itself.
func WithTLS(cfg *tls.Config) Option {
	return func(c *config) { c.tls = cfg }
}

// WithSecret is [WithSecrets] with one secret.
func WithSecret(secret string) Option { return WithSecrets(secret) }

// WithSecrets makes every connection begin with one of these shared secrets,
// at least one; see [Server.SetSecrets] for how to change them. A right one is
// accepted at once. A wrong one is answered error_auth after 0.2 s, ten times a
// second for each address at most; beyond that the connection is closed after
// 0.5 s without an answer. An address is an IPv4 address or the first 64 bits of
// an IPv6 one, and a user of a Unix socket on Linux (elsewhere all of its users
// are one, and so are those in memory).
//
// Somebody with many connections may still try as many secrets every half
// second. Make them long and random, as of 16 bytes from crypto/rand.
func WithSecrets(secrets ...string) Option {
	return func(c *config) { c.secrets = append([]string{}, secrets...) }
}

// WithAdminSecrets lets clients be administrators that show one of these secrets,
// at least one, with auth: they may pause a key for as long as they want, end a
// pause, and take slots back; without it nobody may. Such a secret is right where
// one of [WithSecrets] is, too, and may be shown where there is none of those.
func WithAdminSecrets(secrets ...string) Option {
	return func(c *config) { c.adminSecrets = append([]string{}, secrets...) }
}

// WithLogger sets where the server logs, by default nowhere. What can repeat
// is logged at most once a second. Secrets and tokens are never logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.logger = l }
}

// validate returns everything that is wrong with c at once.
func (c *config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("server: "+format, args...))
		}
	}
	seconds := func(d time.Duration) bool { return d%time.Second == 0 }
	check(c.defaultLease > 0 && seconds(c.defaultLease), "the default lease must be a whole number of seconds, at least 1 s, not %v", c.defaultLease)
	check(c.maxLease >= 0 && seconds(c.maxLease), "the longest lease must be a whole number of seconds, or 0, not %v", c.maxLease)
	check(c.maxLease == 0 || c.defaultLease <= c.maxLease, "the default lease %v is over the longest lease %v", c.defaultLease, c.maxLease)
	check(c.readTimeout > 0, "the read timeout must be over 0, not %v", c.readTimeout)
	check(c.writeTimeout >= 0, "the write timeout must not be negative, is %v", c.writeTimeout)
	check(c.shutdownTimeout >= 0, "the shutdown timeout must not be negative, is %v", c.shutdownTimeout)
	check(c.preAuthTimeout >= 0, "the pre-auth timeout must not be negative, is %v", c.preAuthTimeout)
	check(c.startupGrace >= 0, "the startup grace must not be negative, is %v", c.startupGrace)
	for name, n := range map[string]int{"keys": c.maxLocks, "waiters": c.maxWaiters, "places per connection": c.maxPlaces, "slots per connection": c.maxSlots, "connections": c.maxConns, "connections per address": c.maxConnsPerIP} {
		check(n >= 0, "the limit of %s must not be negative, is %d", name, n)
	}
	check(c.maxAhead >= minAhead, "the bytes that a connection may send ahead must be at least %d, not %d", minAhead, c.maxAhead)
	if c.secrets != nil {
		var err error
		if c.hashes, err = newSecretSet(c.secrets); err != nil {
			errs = append(errs, err)
		}
		c.secrets = nil // the hashes suffice, and show nothing to whoever prints the server
	}
	if c.adminSecrets != nil {
		var err error
		if c.adminHashes, err = newSecretSet(c.adminSecrets); err != nil {
			errs = append(errs, fmt.Errorf("administrators: %w", err))
		}
		c.adminSecrets = nil
	}
	check(!c.inMemory || c.listener == nil, "in memory and a listener exclude each other")
	check(c.logger != nil, "the logger is nil")
	check(!c.nilOption, "an option is nil")
	check(c.tls == nil || len(c.tls.Certificates) > 0 || c.tls.GetCertificate != nil || c.tls.GetConfigForClient != nil, "TLS needs a certificate")
	errs = append(errs, c.checkGrace(), c.checkUnix())
	return errors.Join(errs...)
}
