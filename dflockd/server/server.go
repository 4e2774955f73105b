package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// ErrClosed is the cause of what ends because the server was shut down, and is
// returned by [Server.Dial] after that.
var ErrClosed = errors.New("server: closed")

// TCP keepalive of accepted connections: a peer that vanished without a word
// is noticed after 5 s of silence and 3 unanswered probes, 11 s in all.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}

// A Server is a running lock server. It is safe for concurrent use.
type Server struct {
	cfg       config
	log       *limitedLog
	hub       *hub
	listener  net.Listener              // nil: no TCP
	unix      net.Listener              // nil: no Unix socket
	metrics   *metricsPage              // nil: none
	secrets   atomic.Pointer[secretSet] // nil: none, and that for good
	admins    atomic.Pointer[secretSet] // the same, of administrators
	guesses   guesses
	features  wire.Features
	draining  atomic.Bool   // set before the first connection is kicked
	malformed atomic.Uint64 // requests that could not be read
	watcher   *watcher      // nil: no connection is parked

	ctx    context.Context // ends when what is left is to be cut off
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // every goroutine of the server

	mu       sync.Mutex       // guards what follows; no I/O under it
	conns    map[uint64]*conn // by the number in lc.ID
	perIP    map[string]int   // by conn.from
	most     int              // connections at once, since memory was last given back
	trimming bool
	lastConn uint64
	figures  figures
	closing  bool    // somebody closes what is in left
	left     []*conn // finished, and not closed yet
	stopping bool
	empty    chan struct{} // closed when stopping and conns is empty
	stopped  chan struct{} // closed when every goroutine has ended
	unhook   func() bool   // forgets Start's context
}

// Start starts a server and returns when it listens. ctx bounds the start and
// the server's life: when it ends the server drains as by [Server.Shutdown],
// for at most [WithShutdownTimeout]. The error says which setting is wrong,
// or why it cannot listen.
func Start(ctx context.Context, opts ...Option) (*Server, error) {
	cfg := defaults()
	for _, o := range opts {
		if o == nil {
			cfg.nilOption = true
			continue
		}
		o(&cfg)
	}
	cfg.fillIn()
	if err := cfg.validate(); err != nil {
		if cfg.listener != nil {
			_ = cfg.listener.Close()
		}
		return nil, err
	}
	if cfg.tls != nil {
		cfg.tls = cfg.tls.Clone()
		cfg.tls.MinVersion = max(cfg.tls.MinVersion, tls.VersionTLS12)
	}
	s := &Server{
		cfg:     cfg,
		log:     newLimitedLog(cfg.logger),
		hub:     newHub(cfg),
		conns:   map[uint64]*conn{},
		perIP:   map[string]int{},
		empty:   make(chan struct{}),
		stopped: make(chan struct{}),
		features: wire.Features{
			Strict: !cfg.autoRelease, ReadTimeout: cfg.readTimeout, MaxLease: cfg.maxLease, Fence: true, Tags: true, Ping: true,
			Limits: true, Inspect: true, Control: true, Pace: true, ID: newID(),
		},
	}
	s.secrets.Store(cfg.hashes)
	s.admins.Store(cfg.adminHashes)
	s.hub.ticked = s.kickInDrain
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	s.tasks.Go(func() { s.hub.runTimer(s.ctx) })
	s.startWatcher()
	for _, ln := range s.listeners() {
		s.tasks.Go(func() { s.accept(ln) })
		s.log.info("listening", "address", ln.Addr().String(), "tls", cfg.tls != nil, "auto_release", cfg.autoRelease)
	}
	if s.metrics != nil {
		s.log.info("serving figures", "address", s.MetricsAddr().String())
	}
	s.logGrace()
	s.hookContext(ctx)
	return s, nil
}

// newID draws the number by which clients know this server, whatever the address.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the process
	return hex.EncodeToString(b[:])
}

// hookContext shuts the server down when ctx ends.
func (s *Server) hookContext(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unhook = context.AfterFunc(ctx, func() {
		drain, cancel := context.Background(), context.CancelFunc(func() {})
		if s.cfg.shutdownTimeout > 0 {
			drain, cancel = context.WithTimeoutCause(drain, s.cfg.shutdownTimeout, errors.New("server: shutdown timeout"))
		}
		defer cancel()
		_ = s.Shutdown(drain)
	})
}

// listen opens the ports that the configuration asks for.
func (s *Server) listen(ctx context.Context) (err error) {
	switch {
	case s.cfg.inMemory:
	case s.cfg.listener != nil:
		s.listener = s.cfg.listener
	default:
		lc := net.ListenConfig{KeepAliveConfig: keepAlive}
		if s.listener, err = lc.Listen(ctx, "tcp", s.cfg.address); err != nil {
			return fmt.Errorf("server: cannot listen on %s: %w", s.cfg.address, err)
		}
	}
	if s.cfg.unix {
		ln, err := listenUnix(s.cfg.unixPath, s.cfg.unixMode)
		if err != nil {
			s.stopListening()
			return err
		}
		s.unix = ln
	}
	if s.cfg.metricsAddress == "" {
		return nil
	}
	if s.metrics, err = startMetrics(ctx, s, s.cfg.metricsAddress); err != nil {
		s.stopListening()
	}
	return err
}

// listeners returns what there is.
func (s *Server) listeners() (all []net.Listener) {
	for _, ln := range []net.Listener{s.listener, s.unix} {
		if ln != nil {
			all = append(all, ln)
		}
	}
	return all
}

func (s *Server) stopListening() {
	for _, ln := range s.listeners() {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.warn("cannot stop listening", "address", ln.Addr().String(), "error", err)
		}
	}
}

// startWatcher lets connections be parked, where their sockets can be watched:
// those that package net has accepted, and nothing is between them and it.
func (s *Server) startWatcher() {
	if _, tcp := s.listener.(*net.TCPListener); !tcp || s.cfg.tls != nil {
		return
	}
	w, err := newWatcher()
	if err != nil {
		s.log.warn("connections that wait will need more memory", "error", err)
	}
	if w != nil {
		s.watcher = w
		s.tasks.Go(func() { w.run(s) })
	}
}

// Addr returns the address that the server listens on: that of TCP, or else
// its Unix socket. In memory it is one whose network is "memory".
func (s *Server) Addr() net.Addr {
	if all := s.listeners(); len(all) > 0 {
		return all[0].Addr()
	}
	return memAddr(0)
}

// Format names the server, whatever the verb. What it has is used by others
// meanwhile, and some of it is secret.
func (s *Server) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "dflockd server at %v", s.Addr()) }

// MetricsAddr returns the address of the metrics page, or nil.
func (s *Server) MetricsAddr() net.Addr {
	if s.metrics == nil {
		return nil
	}
	return s.metrics.listener.Addr()
}

// Dial connects to the server in memory, without a socket, and does not
// block. What speaks over the connection is what speaks over TCP, TLS
// included where the server has it. It fails with ErrClosed after Shutdown,
// or when ctx has ended.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	client, nc := memPipe()
	if !s.serve(nc) {
		_ = client.Close()
		return nil, ErrClosed
	}
	return client, nil
}

// accept serves what comes in. When the process is out of file descriptors,
// but for those that are spared, or accepting fails otherwise, it tries again
// after 5 ms, then more and more rarely up to once a second.
func (s *Server) accept(ln net.Listener) {
	pause := time.Duration(0)
	a := acceptor{Listener: ln}
	for {
		nc, err := a.next()
		if err == nil {
			pause = 0
			s.serve(nc)
			continue
		}
		if s.isStopping() {
			return
		}
		pause = min(max(5*time.Millisecond, 2*pause), time.Second)
		s.log.warn("cannot accept", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-s.empty:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// serve starts a connection, or closes it where a limit is reached. It
// returns false if the server is stopping.
func (s *Server) serve(nc net.Conn) bool {
	c := &conn{srv: s, nc: nc, raw: nc}
	c.room.L = &c.mu
	c.lc.Owner = c
	c.ip, c.from = peerOf(nc)
	c.noteAs(nc)
	if s.cfg.tls != nil {
		c.nc = tls.Server(nc, s.cfg.tls)
	}
	c.in = &ownBuffer{nc: c.nc}
	if s.watcher != nil {
		c.useSocket()
	}
	stopping, reason := s.admit(c)
	if stopping || reason != "" {
		if reason != "" {
			s.log.warn(reason, "peer", c.ip)
		}
		_ = nc.Close()
		return !stopping
	}
	return true
}

// admit counts c and starts its goroutine, or says why not. Limits are
// counted here, before anything is read, so that they hold at every moment.
func (s *Server) admit(c *conn) (stopping bool, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return true, ""
	case s.cfg.maxConns > 0 && len(s.conns) >= s.cfg.maxConns:
		s.figures.Refused++
		return false, "refused a connection: max-connections reached"
	case s.cfg.maxConnsPerIP > 0 && c.from != "" && s.perIP[c.from] >= s.cfg.maxConnsPerIP:
		s.figures.Refused++
		s.figures.RefusedByAddress++
		return false, "refused a connection: max-connections-per-ip reached"
	}
	s.lastConn++
	s.figures.Accepted++
	c.lc.ID = s.lastConn
	s.conns[c.lc.ID] = c
	s.most = max(s.most, len(s.conns))
	if s.cfg.maxConnsPerIP > 0 {
		s.perIP[c.from]++
	}
	s.tasks.Go(c.serve)
	return false, ""
}

// closeLater closes c and uncounts it, one connection after the other: when
// thousands go at once that is a lot of work, which leaves room for those who
// stay.
func (s *Server) closeLater(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, c)
	if !s.closing {
		s.closing = true
		s.tasks.Go(s.closeLeft)
	}
}

func (s *Server) closeLeft() {
	for {
		s.mu.Lock()
		left := s.left
		s.left = nil
		s.closing = len(left) > 0
		s.mu.Unlock()
		if len(left) == 0 {
			return
		}
		for _, c := range left {
			_ = c.raw.Close()
			c.waitIdle()
			s.leave(c)
		}
	}
}

// leave uncounts c, which is closed.
func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.lc.ID)
	s.trimLocked()
	if s.cfg.maxConnsPerIP > 0 {
		if s.perIP[c.from]--; s.perIP[c.from] == 0 {
			delete(s.perIP, c.from)
		}
	}
	if s.stopping && len(s.conns) == 0 {
		close(s.empty)
	}
}

// connection returns the connection of this number, or nil.
func (s *Server) connection(id uint64) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id]
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}
