package main

import (
	"log/slog"
	"strings"
	"time"
)

// settings is what flags and environment say.
type settings struct {
	host            string
	port            int
	unixPath        string
	unixMode        uint32
	noTCP           bool
	metricsAddr     string
	defaultLease    time.Duration
	maxLease        *time.Duration // nil: not given
	startupGrace    *time.Duration // nil: not given
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
	readTimeout     time.Duration
	writeTimeout    time.Duration
	preAuthTimeout  time.Duration
	shutdownTimeout time.Duration
	tlsCert         string
	tlsKey          string
	tlsClientCA     string
	secret          secretSource
	admin           secretSource // of administrators
	logJSON         bool
	logLevel        slog.Level
	debug           bool
	version         bool
	unused          time.Duration
	probe           probe
	notes           []string // about what was ignored
}

// setting is a row of the table that is a command line.
type setting struct {
	flag    string
	env     []string // the first that is set counts; the first is shown
	value   string   // what kind of value it takes, for the help; "": a switch
	initial string   // the default, for the help
	help    string
	set     setter
}

type setter = func(s *settings, value string, from source) error

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

// A commandLine is what one of the program's commands takes.
type commandLine struct {
	usage    string
	sections []section
	footer   string
}

var (
	hostRow       = setting{"host", env("HOST"), "ADDRESS", "127.0.0.1", "address to listen on, IPv6 with or without brackets", host(func(s *settings) *string { return &s.host })}
	portRow       = setting{"port", env("PORT"), "PORT", "6388", "port to listen on; 0 picks a free one, which is logged", number(func(s *settings) *int { return &s.port }, 0, 65535)}
	unixRow       = setting{"unix", env("UNIX"), "PATH", "", "listen on a Unix socket too", text(func(s *settings) *string { return &s.unixPath })}
	secretRow     = setting{"auth-token", env("AUTH_TOKEN"), "SECRET", "", "secret that clients must show; others can see it in the process list", secretItself(ordinary)}
	secretFileRow = setting{"auth-token-file", env("AUTH_TOKEN_FILE"), "FILE", "", "file with the secret, or with two, a line each, of which either is right; space around them does not count", secretFile(ordinary)}
)

// ordinary and administrators are the two kinds of secrets.
func ordinary(s *settings) *secretSource       { return &s.secret }
func administrators(s *settings) *secretSource { return &s.admin }

// serving is the command line of the server.
var serving = commandLine{
	usage: `dflockd is a lock server: locks and semaphores with leases and fair queues, over TCP.

Usage: dflockd [flags]
       dflockd ping [flags]   ask a server whether it answers; see dflockd ping --help

Each flag may also be set by the environment variable beside it. The flag wins.
`,
	sections: []section{
		{"Address", []setting{
			hostRow,
			portRow,
			unixRow,
			{"unix-mode", env("UNIX_MODE"), "MODE", "0600", "who may connect to that socket, as for chmod", fileMode},
			{"no-tcp", env("NO_TCP"), "", "off", "listen on the Unix socket alone", boolean(func(s *settings) *bool { return &s.noTCP }, true)},
			{"metrics-addr", env("METRICS_ADDR"), "HOST:PORT", "", "serve /metrics as Prometheus text, /healthz and /readyz; without a host on loopback", hostPort(func(s *settings) *string { return &s.metricsAddr })},
		}},
		{"Leases", []setting{
			{"default-lease-ttl", env("DEFAULT_LEASE_TTL_S"), "SECONDS", "33", "lease of requests that ask for none; k stopped clients in front of a live one delay it by up to k leases", duration(func(s *settings) *time.Duration { return &s.defaultLease }, 1)},
			{"max-lease", env("MAX_LEASE_S"), "SECONDS", "", "shorten longer leases to this; 0: any lease (left out: 60, or the default lease if that is longer, without auto-release on a fixed port, else 86400)", given(func(s *settings) **time.Duration { return &s.maxLease })},
			{"auto-release-on-disconnect", env("AUTO_RELEASE_ON_DISCONNECT"), "", "on", "free the slots of a connection that closes", boolean(func(s *settings) *bool { return &s.autoRelease }, true)},
			{"no-auto-release-on-disconnect", nil, "", "", "strict mode: keep them held until their leases end, also over a restart", boolean(func(s *settings) *bool { return &s.autoRelease }, false)},
			{"startup-grace", env("STARTUP_GRACE_S"), "SECONDS", "", "grant nothing for so long after the start: the longest lease that a server before this one may have granted (left out: max-lease without auto-release on a fixed port, else 0)", given(func(s *settings) **time.Duration { return &s.startupGrace })},
			{"unsafe-short-startup-grace", env("UNSAFE_SHORT_STARTUP_GRACE"), "", "off", "start even if startup-grace is shorter than max-lease: then a slot can be held twice after a restart", boolean(func(s *settings) *bool { return &s.unsafeGrace }, true)},
		}},
		{"Limits", []setting{
			{"max-locks", env("MAX_LOCKS"), "N", "1024", "keys that are held or waited for; 0: any number", number(func(s *settings) *int { return &s.maxLocks }, 0, 1<<31-1)},
			{"max-waiters", env("MAX_WAITERS"), "N", "0", "claims that wait for one key; 0: any number", number(func(s *settings) *int { return &s.maxWaiters }, 0, 1<<31-1)},
			{"max-places-per-connection", env("MAX_PLACES_PER_CONNECTION"), "N", "10000", "claims of one connection that wait; 0: any number", number(func(s *settings) *int { return &s.maxPlaces }, 0, 1<<31-1)},
			{"max-slots-per-connection", env("MAX_SLOTS_PER_CONNECTION"), "N", "10000", "slots that one connection holds or waits for; 0: any number", number(func(s *settings) *int { return &s.maxSlots }, 0, 1<<31-1)},
			{"max-bytes-ahead", env("MAX_BYTES_AHEAD"), "BYTES", "65536", "requests that a connection may send ahead of its answers; then it is not read", number(func(s *settings) *int { return &s.maxAhead }, 4096, 1<<31-1)},
			{"max-connections", env("MAX_CONNECTIONS"), "N", "0", "connections; 0: any number", number(func(s *settings) *int { return &s.maxConns }, 0, 1<<31-1)},
			{"max-connections-per-ip", env("MAX_CONNECTIONS_PER_IP"), "N", "16384", "connections from one address (IPv6: from the first 64 bits; Unix socket: of one user); 0: any number", number(func(s *settings) *int { return &s.maxConnsPerIP }, 0, 1<<31-1)},
			{"allow-mixed-server-lists", env("ALLOW_MIXED_SERVER_LISTS"), "", "off", "let clients claim whose lists of servers differ, as those of berth tell; they may look for one key on different servers", boolean(func(s *settings) *bool { return &s.mixedLists }, true)},
		}},
		{"Time for clients", []setting{
			{"read-timeout", env("READ_TIMEOUT_S"), "SECONDS", "23", "cut off a client that sends no whole request for so long, and does not wait for an answer", duration(func(s *settings) *time.Duration { return &s.readTimeout }, 1)},
			{"write-timeout", env("WRITE_TIMEOUT_S"), "SECONDS", "5", "cut off a client that does not read its answers; 0: never", duration(func(s *settings) *time.Duration { return &s.writeTimeout }, 0)},
			{"pre-auth-timeout", env("PRE_AUTH_TIMEOUT_S"), "SECONDS", "0", "time for the TLS handshake and the secret; 0: as read-timeout", duration(func(s *settings) *time.Duration { return &s.preAuthTimeout }, 0)},
			{"shutdown-timeout", env("SHUTDOWN_TIMEOUT_S"), "SECONDS", "30", "time for holders to release after SIGTERM; 0: for ever", duration(func(s *settings) *time.Duration { return &s.shutdownTimeout }, 0)},
		}},
		{"Security; SIGHUP reads these files again", []setting{
			{"tls-cert", env("TLS_CERT"), "FILE", "", "certificate chain in PEM; with it everything is TLS", text(func(s *settings) *string { return &s.tlsCert })},
			{"tls-key", env("TLS_KEY"), "FILE", "", "its private key in PEM", text(func(s *settings) *string { return &s.tlsKey })},
			{"tls-client-ca", env("TLS_CLIENT_CA"), "FILE", "", "let in only clients with a certificate of these authorities, in PEM", text(func(s *settings) *string { return &s.tlsClientCA })},
			secretRow,
			secretFileRow,
			{"admin-token", env("ADMIN_TOKEN"), "SECRET", "", "secret of administrators, who may pause keys for long and take slots back; others can see it in the process list", secretItself(administrators)},
			{"admin-token-file", env("ADMIN_TOKEN_FILE"), "FILE", "", "file with that secret, or with two, as auth-token-file", secretFile(administrators)},
		}},
		{"Other", []setting{
			{"log-format", env("LOG_FORMAT"), "text|json", "text", "how log lines are written, to standard error", logFormat},
			{"log-level", env("LOG_LEVEL"), "LEVEL", "info", "debug, info, warn or error: what is less than this is not logged", logLevel},
			{"debug", env("DEBUG"), "", "off", "the same as log-level debug", boolean(func(s *settings) *bool { return &s.debug }, true)},
			{"version", nil, "", "", "print the version", boolean(func(s *settings) *bool { return &s.version }, true)},
		}},
		{"Accepted from configurations of the original, without effect: nothing sweeps here", []setting{
			{"lease-sweep-interval", env("LEASE_SWEEP_INTERVAL_S"), "SECONDS", "1", "leases end on time", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
			{"gc-interval", env("GC_LOOP_SLEEP", "GC_INTERVAL_S"), "SECONDS", "5", "idle keys are gone at once", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
			{"gc-max-idle", env("GC_MAX_UNUSED_TIME", "GC_MAX_IDLE_S"), "SECONDS", "60", "the same", duration(func(s *settings) *time.Duration { return &s.unused }, 1)},
		}},
	},
	footer: `
SIGHUP reads certificates and secrets again; connections stay. SIGINT and SIGTERM
drain: nothing is granted any more, holders may still renew and release. A second
one ends the server at once.
`,
}

// env adds the prefix that all variables have.
func env(names ...string) []string {
	for i, n := range names {
		names[i] = prefix + n
	}
	return names
}

// knownVariables returns the names of all variables that any command reads.
func knownVariables() (names []string) {
	for _, sec := range serving.sections {
		for _, row := range sec.settings {
			names = append(names, row.env...)
		}
	}
	return names
}

// describe returns the row for another command, with a help text of its own.
func (row setting) describe(help string) setting {
	row.help = help
	return row
}

// guards reports whether the row is to keep people out. Then it may not be
// empty by accident.
func (row setting) guards() bool {
	return strings.HasPrefix(row.flag, "auth-token") || strings.HasPrefix(row.flag, "admin-token")
}
