package server

import (
	"cmp"
	"runtime"
	"strings"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/version"
)

// measures is one snapshot of what is to be seen at /metrics.
type measures struct {
	locktable.Totals
	answered    tally
	grace       time.Duration // what is left of it
	connections int
	draining    bool
	figures     figures
	malformed   uint64
	process     processFigures
}

// A tally counts what requests to the lock table came to: by the bound that
// they met, or else by status.
type tally struct {
	byStatus [wire.ErrorOther + 1]uint64
	byBound  [locktable.MaxClocks + 1]uint64
}

func (t *tally) add(r locktable.Result) {
	if r.Bound != 0 {
		t.byBound[r.Bound]++
	} else {
		t.byStatus[r.Status]++
	}
}

// measure is cheap: it neither lists keys nor stops the server for longer than
// a copy of some counters takes.
func (s *Server) measure() measures {
	m := s.hub.measure(s.cfg.startupGrace)
	s.mu.Lock()
	m.connections = len(s.conns)
	m.draining = s.stopping
	m.figures = s.figures
	s.mu.Unlock()
	m.malformed = s.malformed.Load()
	m.process = readProcess()
	return m
}

func (h *hub) measure(grace time.Duration) measures {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := measures{Totals: h.table.Totals(), answered: h.answered}
	if h.table.Frozen() {
		m.grace = max(0, grace-h.now())
	}
	return m
}

// exposition returns m in the text format of Prometheus. Keys are no labels:
// there may be any number of them.
//
// It is written by hand, since the client library would bring six modules to
// every program that embeds a server, for one page of counters that are kept
// elsewhere anyway. A test of the examples, which have that library, checks the
// page with its parser and its linter.
func (m measures) exposition() []byte {
	var p page
	m.gauges(&p)
	m.counters(&p)
	p.histogram("dflockd_wait_seconds", "How long claims that were granted had waited in line.", m.Waits)
	p.histogram("dflockd_hold_seconds", "How long slots had been held when they were released or their leases ran out.", m.Holds)
	m.process.write(&p)
	return p.text
}

func (m measures) gauges(p *page) {
	p.family("dflockd_build_info", "gauge", "What runs here; always 1.")
	p.sample("dflockd_build_info", 1, "version", version.String(), "revision", cmp.Or(version.Revision(), "unknown"), "goversion", runtime.Version())
	p.gauge("dflockd_connections", "Connections now.", float64(m.connections))
	p.gauge("dflockd_keys", "Keys that are held or waited for.", float64(m.Keys))
	p.gauge("dflockd_slots_held", "Slots held now.", float64(m.Held))
	p.gauge("dflockd_waiters", "Claims in line now, over all keys.", float64(m.Waiting))
	p.gauge("dflockd_keys_of_several_limits", "Keys whose claims, held or waiting, have different limits: those with larger ones may wait for the smallest.", float64(m.Mixed))
	p.gauge("dflockd_draining", "1 while the server shuts down.", flag(m.draining))
	p.gauge("dflockd_startup_grace_seconds", "For how long nothing is granted yet, since a server before this one may have granted it.", m.grace.Seconds())
}

func (m measures) counters(p *page) {
	p.counter("dflockd_connections_accepted_total", "Connections accepted.", m.figures.Accepted)
	p.family("dflockd_connections_refused_total", "counter", "Connections refused by a limit.")
	p.sample("dflockd_connections_refused_total", float64(m.figures.Refused-m.figures.RefusedByAddress), "reason", "max_connections")
	p.sample("dflockd_connections_refused_total", float64(m.figures.RefusedByAddress), "reason", "max_connections_per_ip")
	p.counter("dflockd_auth_failures_total", "Failed authentications.", m.figures.AuthFailures)
	p.counter("dflockd_grants_total", "Slots granted.", m.Grants)
	p.counter("dflockd_releases_total", "Slots released by their holders.", m.Releases)
	p.counter("dflockd_lease_expiries_total", "Slots freed because their leases ran out.", m.Expiries)
	p.counter("dflockd_timeouts_total", "Claims that were not granted in time.", m.Timeouts)
	p.family("dflockd_requests_refused_total", "counter", "Requests refused, by reason.")
	p.sample("dflockd_requests_refused_total", float64(m.malformed), "reason", "malformed")
	for s := wire.Error; s < wire.ErrorOther; s++ {
		if reason := reasonOf(s); reason != "" {
			p.sample("dflockd_requests_refused_total", float64(m.answered.byStatus[s]), "reason", reason)
		}
	}
	for b := locktable.MaxKeys; b <= locktable.MaxClocks; b++ {
		p.sample("dflockd_requests_refused_total", float64(m.answered.byBound[b]), "reason", strings.ReplaceAll(b.String(), "-", "_"))
	}
}

// reasonOf returns what a refusal by the lock table is called, or "" for a
// status that never comes from there, or comes with a bound that says more.
func reasonOf(s wire.Status) string {
	switch s {
	case wire.Error:
		return "not_held" // by this token: it was released, or its lease ran out
	case wire.ErrorAuth, wire.ErrorNotLeader, wire.ErrorMaxLocks, wire.ErrorMaxWaiters:
		return ""
	}
	return strings.TrimPrefix(s.String(), "error_")
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
