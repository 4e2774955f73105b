package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/berth-go/berth/dflockd/server"
)

// A daemon is a server that listens to signals and to its service manager.
type daemon struct {
	set    *settings
	log    *slog.Logger
	notify notifier
	certs  *certificates // nil: no TLS
	srv    *server.Server
}

// serve runs the server until a signal, then drains it.
func serve(set *settings, env environment, _, stderr io.Writer) error {
	d := &daemon{set: set, log: set.logger(stderr), notify: newNotifier(env)}
	for _, note := range set.notes {
		d.log.Warn(note)
	}
	opts, err := d.options()
	if err != nil {
		return usageError{err}
	}
	if err = d.run(opts); err != nil && set.logJSON {
		d.log.Error(err.Error()) // like every other line
		return saidError{err}
	}
	return err
}

// run starts the server, and returns when it has ended.
func (d *daemon) run(opts []server.Option) (err error) {
	sig := newSignals()
	defer sig.stop()
	if d.srv, err = server.Start(context.Background(), opts...); err != nil {
		return err
	}
	if set := d.set; len(set.secret.secrets)+len(set.admin.secrets) > 0 && d.certs == nil && !set.noTCP && !isLoopback(set.host) {
		d.log.Warn("the secret is shown in plain text to whoever can listen on the network: use --tls-cert and --tls-key")
	}
	d.tell(d.notify.ready(d.status()))
	d.watch(sig)
	d.tell(d.notify.stopping())
	return d.drain(sig.end)
}

// signals are those that the program heeds. Each kind has a channel of its own:
// in one, those that ask for files to be read again could take the place of the
// one that ends it.
type signals struct {
	end    chan os.Signal
	hangup chan os.Signal
}

func newSignals() signals {
	s := signals{end: make(chan os.Signal, 1), hangup: make(chan os.Signal, 1)}
	signal.Notify(s.end, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangup, hangup)
	return s
}

func (s signals) stop() {
	signal.Stop(s.end)
	signal.Stop(s.hangup)
}

// watch returns when the server is to stop. Files are read beside it, as one
// may lie where reading takes for ever; what is read when the server drains
// already counts for nothing.
func (d *daemon) watch(sig signals) {
	var (
		tick <-chan time.Time
		read = make(chan guards, 1)
		busy bool // somebody reads, and will send to read
		more bool // and is to read again, as the files have changed meanwhile
	)
	if d.notify.watchdog > 0 {
		t := time.NewTicker(d.notify.watchdog / 2)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-sig.end:
			return
		case <-sig.hangup:
			if more = busy; !busy {
				busy = true
				d.tell(d.notify.reloading())
				go func() { read <- d.readGuards() }()
			}
		case g := <-read:
			if busy = more; more {
				more = false
				go func() { read <- d.readGuards() }()
				continue
			}
			d.replace(g)
			d.tell(d.notify.ready(d.status()))
		case <-tick:
			d.srv.Stats() // hangs if the server does
			d.tell(d.notify.alive())
		}
	}
}

// drain ends the server when nobody needs it any more, or at a second signal.
func (d *daemon) drain(again <-chan os.Signal) error {
	interrupted, interrupt := context.WithCancelCause(context.Background())
	defer interrupt(nil)
	ctx, cancel := interrupted, context.CancelFunc(func() {})
	if d.set.shutdownTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d.set.shutdownTimeout, errors.New("shutdown timeout"))
	}
	defer cancel()
	go func() {
		select {
		case <-again:
			signal.Reset(os.Interrupt, syscall.SIGTERM) // a third one ends the process
			interrupt(errors.New("a second signal"))
		case <-interrupted.Done():
		}
	}()
	return d.srv.Shutdown(ctx)
}

// guards are what keeps people out, as the files say.
type guards struct {
	secrets []string    // none: the server has none
	admins  []string    // secrets of administrators; none: there are none
	tls     *tls.Config // nil: no TLS
	err     error
}

// readGuards reads certificates and secrets again.
func (d *daemon) readGuards() (g guards) {
	if g.secrets, g.err = d.set.secret.reread(); g.err == nil {
		g.admins, g.err = d.set.admin.reread()
	}
	if g.err == nil && d.certs != nil {
		g.tls, g.err = d.certs.read()
	}
	return g
}

// replace takes what was read. If anything is wrong with any of it, all stays
// as it was.
func (d *daemon) replace(g guards) {
	if g.err == nil && len(g.secrets) > 0 {
		g.err = d.srv.SetSecrets(g.secrets...)
	}
	if g.err == nil && len(g.admins) > 0 {
		g.err = d.srv.SetAdminSecrets(g.admins...)
	}
	if g.err != nil {
		d.log.Error("reload failed: certificates and secrets stay as they were", "error", g.err)
		return
	}
	if g.tls != nil {
		d.certs.current.Store(g.tls)
	}
	d.log.Info("reloaded certificates and secrets")
}

// status is one line for whoever asks the service manager.
func (d *daemon) status() string { return "serving on " + d.srv.Addr().String() }

// tell logs that the service manager could not be told.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Warn(err.Error())
	}
}

// options turns the settings into those of a server.
func (d *daemon) options() ([]server.Option, error) {
	s := d.set
	opts := []server.Option{
		server.WithAddress(net.JoinHostPort(s.host, strconv.Itoa(s.port))),
		server.WithMetricsAddress(s.metricsAddr),
		server.WithDefaultLease(s.defaultLease),
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
		server.WithLogger(d.log),
	}
	if s.maxLease != nil {
		opts = append(opts, server.WithMaxLease(*s.maxLease))
	}
	if s.startupGrace != nil {
		opts = append(opts, server.WithStartupGrace(*s.startupGrace))
	}
	if s.unsafeGrace {
		opts = append(opts, server.WithUnsafeShortStartupGrace())
	}
	if s.mixedLists {
		opts = append(opts, server.WithMixedServerLists())
	}
	if s.unixPath != "" {
		opts = append(opts, server.WithUnixSocket(s.unixPath, fs.FileMode(s.unixMode)))
	}
	if s.noTCP {
		if s.unixPath == "" {
			return nil, errors.New("--no-tcp needs --unix")
		}
		opts = append(opts, server.WithInMemory())
	}
	return d.withGuards(opts)
}

// withGuards adds what keeps people out.
func (d *daemon) withGuards(opts []server.Option) ([]server.Option, error) {
	if secrets := d.set.secret.secrets; len(secrets) > 0 {
		opts = append(opts, server.WithSecrets(secrets...))
	}
	if secrets := d.set.admin.secrets; len(secrets) > 0 {
		opts = append(opts, server.WithAdminSecrets(secrets...))
	}
	var err error
	if d.certs, err = openCertificates(d.set); err != nil {
		return nil, err
	}
	if d.certs != nil {
		opts = append(opts, server.WithTLS(d.certs.config()))
	}
	return opts, nil
}
