package server

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// metricsPage serves what operators and their tools ask.
type metricsPage struct {
	listener net.Listener
	http     *http.Server
}

// startMetrics listens on address, on loopback if it names no host.
func startMetrics(ctx context.Context, s *Server, address string) (*metricsPage, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("server: metrics address %q: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("server: cannot listen for metrics on %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReadiness)
	m := &metricsPage{ln, &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(pageLog{s.log}, "", 0),
	}}
	s.tasks.Go(func() { _ = m.http.Serve(ln) }) // ends with ErrServerClosed
	return m, nil
}

// pageLog puts what package http has to say among the other lines of the log.
type pageLog struct{ log *limitedLog }

func (l pageLog) Write(line []byte) (int, error) {
	l.log.warn("serving figures", "error", strings.TrimSpace(string(line)))
	return len(line), nil
}

// close ends the page and what is being served.
func (m *metricsPage) close() { _ = m.http.Close() }

func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(s.measure().exposition())
}

// serveHealth answers as long as the server can do anything at all: the lock
// that every request needs is to be had. Whoever asks has a timeout.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	s.measure()
	_, _ = io.WriteString(w, "ok\n")
}

// serveReadiness says whether clients should be sent here. They should in the
// startup grace: whoever renews must be answered, and claims wait in line.
func (s *Server) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	switch m := s.measure(); {
	case m.draining:
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case m.grace > 0:
		fmt.Fprintf(w, "ready; in the startup grace: nothing is granted for another %v\n", m.grace.Round(time.Second))
	default:
		_, _ = io.WriteString(w, "ready\n")
	}
}
