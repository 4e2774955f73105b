package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/berth-go/berth/dflockd/server"
)

// settings is what flags and environment say.
type settings struct {
	host            string
	port            int
	metricsAddr     string
	defaultLease    time.Duration
	maxLease        time.Duration
	startupGrace    time.Duration
	autoRelease     bool
	maxLocks        int
	maxWaiters      int
	maxPlaces       int
	maxSlots        int
	maxAhead        int
	maxConns        int
	maxConnsPerIP   int
	readTimeout     time.Duration
	writeTimeout    time.Duration
	preAuthTimeout  time.Duration
	shutdownTimeout time.Duration
	tlsCert         string
	tlsKey          string
	tlsClientCA     string
	secret          string
	secretFrom      int // how much where the secret came from counts
	debug           bool
	version         bool
	unused          time.Duration
}

// setting is a row of the table that is the command line.
type setting struct {
	flag    string
	env     []string // the first that is set counts; the first is shown
	value   string   // what kind of value it takes, for the help; "": a switch
	initial string   // the default, for the help
	help    string
	set     func(s *settings, value string, from source) error
}

// source is where a value came from; a later one wins.
type source int

const (
	fromDefault source = iota
	fromEnv
	fromFlag
)

// section groups settings in the help.
type section struct {
	title    string
	settings []setting
}

var sections = []section{
	{"Address", []setting{
		{"host", env("HOST"), "ADDRESS", "127.0.0.1", "address to listen on", text(func(s *settings) *string { return &s.host })},
		{"port", env("PORT"), "PORT", "6388", "port to listen on; 0 picks a free one, which is logged", number(func(s *settings) *int { return &s.port }, 0, 65535)},
		{"metrics-addr", env("METRICS_ADDR"), "HOST:PORT", "", "serve figures at /metrics as Prometheus text; without a host on loopback", text(func(s *settings) *string { return &s.metricsAddr })},
	}},
	{"Leases", []setting{
		{"default-lease-ttl", env("DEFAULT_LEASE_TTL_S"), "SECONDS", "33", "lease of requests that ask for none; k stopped clients in front of a live one delay it by up to k leases", duration(func(s *settings) *time.Duration { return &s.defaultLease }, 1)},
		{"max-lease", env("MAX_LEASE_S"), "SECONDS", "86400", "shorten longer leases to this; 0: any lease", duration(func(s *settings) *time.Duration { return &s.maxLease }, 0)},
		{"auto-release-on-disconnect", env("AUTO_RELEASE_ON_DISCONNECT"), "", "on", "free the slots of a connection that closes", boolean(func(s *settings) *bool { return &s.autoRelease }, true)},
		{"no-auto-release-on-disconnect", nil, "", "", "keep them held until their leases end", boolean(func(s *settings) *bool { return &s.autoRelease }, false)},
		{"startup-grace", env("STARTUP_GRACE_S"), "SECONDS", "0", "grant nothing for so long after the start: the longest lease that a server before this one may have granted", duration(func(s *settings) *time.Duration { return &s.startupGrace }, 0)},
	}},
	{"Limits", []setting{
		{"max-locks", env("MAX_LOCKS"), "N", "1024", "keys that are held or waited for; 0: any number", number(func(s *settings) *int { return &s.maxLocks }, 0, 1<<31-1)},
		{"max-waiters", env("MAX_WAITERS"), "N", "0", "claims that wait for one key; 0: any number", number(func(s *settings) *int { return &s.maxWaiters }, 0, 1<<31-1)},
		{"max-places-per-connection", env("MAX_PLACES_PER_CONNECTION"), "N", "10000", "claims of one connection that wait; 0: any number", number(func(s *settings) *int { return &s.maxPlaces }, 0, 1<<31-1)},
		{"max-slots-per-connection", env("MAX_SLOTS_PER_CONNECTION"), "N", "10000", "slots that one connection holds or waits for; 0: any number", number(func(s *settings) *int { return &s.maxSlots }, 0, 1<<31-1)},
		{"max-bytes-ahead", env("MAX_BYTES_AHEAD"), "BYTES", "65536", "requests that a connection may send ahead of its answers; then it is not read", number(func(s *settings) *int { return &s.maxAhead }, 4096, 1<<31-1)},
		{"max-connections", env("MAX_CONNECTIONS"), "N", "0", "connections; 0: any number", number(func(s *settings) *int { return &s.maxConns }, 0, 1<<31-1)},
		{"max-connections-per-ip", env("MAX_CONNECTIONS_PER_IP"), "N", "16384", "connections from one address (IPv6: from the first 64 bits; unix socket: all); 0: any number", number(func(s *settings) *int { return &s.maxConnsPerIP }, 0, 1<<31-1)},
	}},
	{"Time for clients", []setting{
		{"read-timeout", env("READ_TIMEOUT_S"), "SECONDS", "23", "cut off a client that sends no whole request for so long, and does not wait for an answer", duration(func(s *settings) *time.Duration { return &s.readTimeout }, 1)},
		{"write-timeout", env("WRITE_TIMEOUT_S"), "SECONDS", "5", "cut off a client that does not read its answers; 0: never", duration(func(s *settings) *time.Duration { return &s.writeTimeout }, 0)},
		{"pre-auth-timeout", env("PRE_AUTH_TIMEOUT_S"), "SECONDS", "0", "time for the TLS handshake and the secret; 0: as read-timeout", duration(func(s *settings) *time.Duration { return &s.preAuthTimeout }, 0)},
		{"shutdown-timeout", env("SHUTDOWN_TIMEOUT_S"), "SECONDS", "30", "time for holders to release after SIGTERM; 0: for ever", duration(func(s *settings) *time.Duration { return &s.shutdownTimeout }, 0)},
	}},
	{"Security", []setting{
		{"tls-cert", env("TLS_CERT"), "FILE", "", "certificate chain in PEM; with it everything is TLS", text(func(s *settings) *string { return &s.tlsCert })},
		{"tls-key", env("TLS_KEY"), "FILE", "", "its private key in PEM", text(func(s *settings) *string { return &s.tlsKey })},
		{"tls-client-ca", env("TLS_CLIENT_CA"), "FILE", "", "let in only clients with a certificate of these authorities, in PEM", text(func(s *settings) *string { return &s.tlsClientCA })},
		{"auth-token", env("AUTH_TOKEN"), "SECRET", "", "secret that clients must show; others can see it in the process list", secret(2)},
		{"auth-token-file", env("AUTH_TOKEN_FILE"), "FILE", "", "file with the secret; space around it does not count", secretFile(1)},
	}},
	{"Other", []setting{
		{"debug", env("DEBUG"), "", "off", "log more", boolean(func(s *settings) *bool { return &s.debug }, true)},
		{"version", nil, "", "", "print the version", boolean(func(s *settings) *bool { return &s.version }, true)},
	}},
	{"Accepted from configurations of the original, without effect: nothing sweeps here", []setting{
		{"lease-sweep-interval", env("LEASE_SWEEP_INTERVAL_S"), "SECONDS", "1", "leases end on time", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
		{"gc-interval", env("GC_LOOP_SLEEP", "GC_INTERVAL_S"), "SECONDS", "5", "idle keys are gone at once", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
		{"gc-max-idle", env("GC_MAX_UNUSED_TIME", "GC_MAX_IDLE_S"), "SECONDS", "60", "the same", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
	}},
}

// env adds the prefix that all variables have.
func env(names ...string) []string {
	for i, n := range names {
		names[i] = "DFLOCKD_" + n
	}
	return names
}

type setter = func(s *settings, value string, from source) error

func text(field func(*settings) *string) setter {
	return func(s *settings, v string, _ source) error {
		if v == "" {
			return errors.New("is empty")
		}
		*field(s) = v
		return nil
	}
}

func number(field func(*settings) *int, low, high int) setter {
	return func(s *settings, v string, _ source) error {
		n, err := digits(v)
		if err != nil || n < int64(low) || n > int64(high) {
			return fmt.Errorf("%q is not a number from %d to %d", v, low, high)
		}
		*field(s) = int(n)
		return nil
	}
}

// maxSeconds keeps what is added to it far from wrapping: 31 years.
const maxSeconds = 1_000_000_000

func duration(field func(*settings) *time.Duration, low int64) setter {
	return func(s *settings, v string, _ source) error {
		n, err := digits(v)
		if err != nil || n < low || n > maxSeconds {
			return fmt.Errorf("%q is not a whole number of seconds from %d to %d", v, low, maxSeconds)
		}
		*field(s) = time.Duration(n) * time.Second
		return nil
	}
}

// digits reads a decimal number without a sign.
func digits(v string) (int64, error) {
	n, err := strconv.ParseUint(v, 10, 63)
	return int64(n), err
}

// boolean sets its field to on if the value is true, else to the opposite.
func boolean(field func(*settings) *bool, on bool) setter {
	return func(s *settings, v string, _ source) error {
		switch strings.ToLower(v) {
		case "1", "yes", "true", "on":
			*field(s) = on
		case "0", "no", "false", "off":
			*field(s) = !on
		default:
			return fmt.Errorf("%q is neither true nor false (1 or 0, yes or no, on or off)", v)
		}
		return nil
	}
}

// secret takes the secret itself, which counts for more than a file that is
// named in the same place, and for less than what a flag says.
func secret(weight int) setter {
	return func(s *settings, v string, from source) error {
		if v == "" {
			return errors.New("is empty: leave it out to serve without a secret")
		}
		if w := 10*int(from) + weight; w >= s.secretFrom {
			s.secret, s.secretFrom = v, w
		}
		return nil
	}
}

func secretFile(weight int) setter {
	return func(s *settings, path string, from source) error {
		if path == "" {
			return errors.New("is empty")
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v := strings.TrimSpace(string(b))
		if v == "" {
			return fmt.Errorf("the file %s holds no secret", path)
		}
		return secret(weight)(s, v, from)
	}
}

func (s *settings) level() slog.Level {
	if s.debug {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// options turns the settings into those of a server.
func (s *settings) options(log *slog.Logger) ([]server.Option, error) {
	opts := []server.Option{
		server.WithAddress(net.JoinHostPort(s.host, strconv.Itoa(s.port))),
		server.WithMetricsAddress(s.metricsAddr),
		server.WithDefaultLease(s.defaultLease),
		server.WithMaxLease(s.maxLease),
		server.WithStartupGrace(s.startupGrace),
		server.WithAutoRelease(s.autoRelease),
		server.WithMaxLocks(s.maxLocks),
		server.WithMaxWaiters(s.maxWaiters),
		server.WithMaxPlacesPerConnection(s.maxPlaces),
		server.WithMaxSlotsPerConnection(s.maxSlots),
		server.WithMaxBytesAhead(s.maxAhead),
		server.WithMaxConnections(s.maxConns),
		server.WithMaxConnectionsPerIP(s.maxConnsPerIP),
		server.WithReadTimeout(s.readTimeout),
		server.WithWriteTimeout(s.writeTimeout),
		server.WithPreAuthTimeout(s.preAuthTimeout),
		server.WithShutdownTimeout(s.shutdownTimeout),
		server.WithLogger(log),
	}
	if s.secret != "" {
		opts = append(opts, server.WithSecret(s.secret))
	}
	cfg, err := s.tls()
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		opts = append(opts, server.WithTLS(cfg))
	}
	return opts, nil
}

// tls returns nil if there is to be none.
func (s *settings) tls() (*tls.Config, error) {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	if s.tlsCert == "" {
		if s.tlsClientCA != "" {
			return nil, errors.New("--tls-client-ca needs --tls-cert and --tls-key")
		}
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(s.tlsCert, s.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", s.tlsCert, s.tlsKey, err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if s.tlsClientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(s.tlsClientCA)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-ca: %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--tls-client-ca %s: no certificate in it", s.tlsClientCA)
	}
	return cfg, nil
}
