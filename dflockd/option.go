package dflockd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// An Option configures a [Source], a [Semaphore] or a [Lock]. An option with a
// value that cannot work makes the constructor return an error.
type Option func(*config) error

// WithServers sets the servers as host:port (default 127.0.0.1:6388). Several
// are shards: each key lives on one of them (see [WithSharding]), unless
// [WithCluster] says that they are one cluster.
//
// The order decides where a key lives, as with the official clients: every client
// of a key must be given the same servers in the same order, or two of them look
// for it in different places and more hold it than its limit allows. A server of
// this module is told the place that it has in the list, and refuses the claims of
// a client with another one, with [ErrServerLists], as long as others hold slots
// or wait for them; an original server cannot notice. To change the list, stop all
// clients of the old one first.
//
// An address that is in the list twice is an error here. Two addresses of one
// server are noticed by a [Source] when it connects, where the server is one of
// this module: claims at the second one fail with ErrServerLists. It is not
// permanent, since an address can be made to lead elsewhere at any time.
func WithServers(addresses ...string) Option {
	return func(c *config) error {
		if len(addresses) == 0 {
			return errors.New("WithServers: the list is empty")
		}
		seen := map[string]string{}
		for _, a := range addresses {
			if err := checkAddress(a); err != nil {
				return fmt.Errorf("WithServers: %w", err)
			}
			if other, ok := seen[spelled(a)]; ok {
				return fmt.Errorf("WithServers: %q and %q are one address: each server must be in the list once", other, a)
			}
			seen[spelled(a)] = a
		}
		c.servers = slices.Clone(addresses)
		c.network = append(c.network, "WithServers")
		return nil
	}
}

// An EmbeddedServer is a server in this process that is reached without a network:
// a *server.Server of package dflockd/server. Its Dial connects to it in memory.
type EmbeddedServer interface {
	Dial(ctx context.Context) (net.Conn, error)
}

// WithServer makes srv, which runs in this process, the only server. It is for
// tests, and for programs that need no second machine yet. A secret goes there
// without TLS. The client does not shut srv down: close the client first, then srv.
//
// It excludes [WithServers], [WithDialer] and [WithCluster]. In errors the address
// of srv is localhost:0, and a certificate of srv has to be for localhost unless
// [WithTLS] names another server.
func WithServer(srv EmbeddedServer) Option {
	return func(c *config) error {
		if isNil(srv) {
			return errors.New("WithServer: the server is nil (has server.Start returned an error?)")
		}
		c.embedded = srv
		return nil
	}
}

// isNil reports whether v is nil, or an interface around a nil pointer, which would
// panic when the first connection is made.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

func checkAddress(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:6388", a)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535", a)
	}
	return nil
}

// spelled returns the one spelling of an address that has several.
func spelled(a string) string {
	host, port, _ := net.SplitHostPort(a)
	n, _ := strconv.Atoi(port)
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, strconv.Itoa(n))
}

// WithSharding sets the function that chooses a key's server: it gets the key
// and the number of servers, 1 or more, and returns an index (default
// [StableHashShard]). An index out of range fails the call that needed it. A
// cluster shares no keys out, and asks no function.
func WithSharding(shard func(key string, servers int) int) Option {
	return func(c *config) error {
		if shard == nil {
			return errors.New("WithSharding: the function is nil")
		}
		c.sharding = shard
		return nil
	}
}

// WithLease sets how long the server keeps a slot that is not renewed (default:
// the server decides, 33 s on an original one). It is rounded up to whole
// seconds. A slot is renewed long before, so the lease matters when a client
// dies: its slots are free after a lease at the latest.
//
// It matters as much when clients are stopped that wait in line, and their
// connections stay: each is granted its slot in its turn, and keeps it for a
// lease. k of them in front of a live client delay it by up to k leases (k/n,
// rounded down, where the limit is n).
func WithLease(d time.Duration) Option {
	return func(c *config) error {
		c.lease = d
		return positive("WithLease", d)
	}
}

// WithName sets what this client calls itself to whoever looks at who holds slots
// and who waits ([Source.Inspect], berth top): by default the host and the process
// id, such as web3:4711. It has 1 to 64 bytes, printable and without spaces. The name
// is told to the servers once for each connection, and shown to everybody whom they
// let in; an original server does not understand it.
func WithName(name string) Option {
	return func(c *config) error {
		c.name = name
		if err := slot.CheckName(name); err != nil {
			return fmt.Errorf("WithName: %w", err)
		}
		return nil
	}
}

// WithRenewRatio sets the part of its lease after which a slot is renewed at
// the latest (default 0.5); strictly between 0 and 1. Renewals come earlier
// where safety asks for it: after a third of the lease, 7 s, or a third of the
// server's read timeout where it is known. So a ratio above a third, the default
// among them, changes nothing. Renewals are never closer than 0.1 s.
func WithRenewRatio(r float64) Option {
	return func(c *config) error {
		if !(r > 0 && r < 1) {
			return fmt.Errorf("WithRenewRatio: %v is not between 0 and 1", r)
		}
		c.renewRatio = r
		return nil
	}
}

// WithStrict says that the servers run with --no-auto-release-on-disconnect,
// so that a slot survives its connection. A server of this module says so
// itself; an original one does not. Such an original server keeps the place of
// a claim that was given up, too: its connection waits until the slot comes, and
// gives it back.
//
// Strict is about connections. A server that restarts has forgotten its slots. One
// of this module then grants nothing until leases of before are over (see
// --startup-grace); an original one grants at once, so start it again a lease after
// it ended, or two can hold what one held.
func WithStrict() Option {
	return func(c *config) error {
		c.strict = true
		return nil
	}
}

// WithFence says that the first half of the servers' tokens is a fencing
// number, as in releases 2.x of the original server. A server of this module
// says so itself. Do not use it with release 1.10.
func WithFence() Option {
	return func(c *config) error {
		c.fence = true
		return nil
	}
}

// WithCluster says that the servers are the members of one dflockd cluster
// (releases 2.x). The client follows its leader, to members of the list only.
// Each claim has a connection of its own.
func WithCluster() Option {
	return func(c *config) error {
		c.cluster = true
		c.network = append(c.network, "WithCluster")
		return nil
	}
}

// WithOrphanTime says how long the cluster keeps the slots and places of a
// broken connection for a client that comes back with the same reference. It
// must not be longer than what the members are configured with. Without it a
// broken connection loses them.
func WithOrphanTime(d time.Duration) Option {
	return func(c *config) error {
		c.orphanTime = d
		return positive("WithOrphanTime", d)
	}
}

// WithTLS encrypts the connections. The zero Config means the system's CAs.
// The server's name is verified; it defaults to the host of its address. The
// oldest version is TLS 1.2.
func WithTLS(t *tls.Config) Option {
	return func(c *config) error {
		if t == nil {
			return errors.New("WithTLS: the config is nil (use an empty one for the system's CAs)")
		}
		c.tls = t.Clone()
		c.tls.MinVersion = max(c.tls.MinVersion, tls.VersionTLS12)
		return nil
	}
}

// WithAuth sets the secret for servers started with --auth-token, or that of their
// administrators (--admin-token-file), which is right there too. It goes over
// plaintext to this machine only, see [WithPlaintextAuth]. A server that refuses
// it is asked again when there is a claim: see [ErrAuth].
func WithAuth(secret string) Option {
	return func(c *config) error {
		hidden := wire.Secret(secret)
		c.secret = &hidden
		if err := wire.CheckSecret(secret); err != nil {
			return fmt.Errorf("WithAuth: %w", err)
		}
		return nil
	}
}

// WithPlaintextAuth allows the secret to be sent to other machines without TLS.
func WithPlaintextAuth() Option {
	return func(c *config) error {
		c.insecureAuth = true
		return nil
	}
}

// WithConnectTimeout sets how long it may take until a connection is ready
// (default 3 s): TCP, TLS and the secret.
func WithConnectTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.connectTimeout = d
		return positive("WithConnectTimeout", d)
	}
}

// WithSocketTimeout sets how long an answer may take before the connection
// counts as broken (default 5 s). It does not run while a claim waits in line,
// and renewals have a shorter one.
func WithSocketTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.socketTimeout = d
		return positive("WithSocketTimeout", d)
	}
}

// WithDialer sets how connections are opened. TLS is added on top. The default
// is TCP that notices within 11 s when a server has vanished without a word;
// with a dialer of your own that is its business.
func WithDialer(dial DialFunc) Option {
	return func(c *config) error {
		if dial == nil {
			return errors.New("WithDialer: the function is nil")
		}
		c.dial = dial
		c.network = append(c.network, "WithDialer")
		return nil
	}
}

// WithLogger sets where faults are logged. The default is nowhere, but for the panic
// of a function of yours, such as one of a [slot.Trace]: it ends nothing but that
// function, and is told to slog.Default().
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log, c.quiet = l, false
		return nil
	}
}

// WithAcquireTimeout sets how long Acquire, Wait and WithLock of a [Semaphore]
// or [Lock] wait (default 10 s); 0 means only if a slot is free now. A
// [Source] refuses it: there the context of each call decides.
func WithAcquireTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.acquireTimeout = d
		c.single = append(c.single, "WithAcquireTimeout")
		if d < 0 {
			return fmt.Errorf("WithAcquireTimeout: %v is negative", d)
		}
		return nil
	}
}

// WithWaitForServer has Acquire and WithLock of a [Semaphore] or [Lock] wait out an
// outage: while the server cannot be reached, or is shutting down, they try again
// until the acquire timeout has passed, at random times up to 5 s apart. By default
// they return slot.ErrUnavailable after the first attempt. A place in line that is
// lost meanwhile is taken anew, at the end. A [Source] refuses the option: its
// claims return at once.
func WithWaitForServer() Option {
	return func(c *config) error {
		c.waitForServer = true
		c.single = append(c.single, "WithWaitForServer")
		return nil
	}
}

// WithOnLost sets a function that is called, on a goroutine of its own, when
// the slot of a [Semaphore] or [Lock] is lost. Its Context has ended by then.
// It may call any method. A [Source] refuses it: there the slot's context says
// the same.
func WithOnLost(f func(key, token string)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("WithOnLost: the function is nil")
		}
		c.onLost = f
		c.single = append(c.single, "WithOnLost")
		return nil
	}
}

func positive(option string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %v is not longer than 0", option, d)
	}
	return nil
}
