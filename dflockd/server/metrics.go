package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// metricsPage serves /metrics.
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
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		writeMetrics(w, s.Stats())
	})
	m := &metricsPage{ln, &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}}
	s.tasks.Go(func() { _ = m.http.Serve(ln) }) // ends with ErrServerClosed
	return m, nil
}

// close ends the page and what is being served.
func (m *metricsPage) close() { _ = m.http.Close() }

// writeMetrics writes the totals of st as Prometheus text. Keys are no labels:
// there may be any number of them.
func writeMetrics(w io.Writer, st Stats) {
	metric := func(name, kind, help string, value uint64) {
		fmt.Fprintf(w, "# HELP dflockd_%[1]s %[2]s\n# TYPE dflockd_%[1]s %[3]s\ndflockd_%[1]s %[4]d\n", name, help, kind, value)
	}
	draining := uint64(0)
	if st.Draining {
		draining = 1
	}
	metric("connections", "gauge", "Connections now.", uint64(st.Connections))
	metric("keys", "gauge", "Keys that are held or waited for.", uint64(st.Keys))
	metric("slots_held", "gauge", "Slots held now.", uint64(st.Held))
	metric("draining", "gauge", "1 while the server shuts down.", draining)
	metric("connections_accepted_total", "counter", "Connections accepted.", st.Accepted)
	metric("connections_refused_total", "counter", "Connections refused by a limit.", st.Refused)
	metric("auth_failures_total", "counter", "Failed authentications.", st.AuthFailures)
	metric("grants_total", "counter", "Slots granted.", st.Grants)
	metric("releases_total", "counter", "Slots released by their holders.", st.Releases)
	metric("lease_expiries_total", "counter", "Slots freed because their leases ran out.", st.Expiries)
	metric("timeouts_total", "counter", "Claims that were not granted in time.", st.Timeouts)
}
