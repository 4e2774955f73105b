package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)(\{[a-z_]+="[^"\n]*"(?:,[a-z_]+="[^"\n]*")*\})? (\S+)$`)
	commonName = regexp.MustCompile(`^(dflockd|process|go)_[a-z_]+$`)
)

// parseMetrics reads Prometheus text, strictly: each family has its HELP and
// then its TYPE, once, and then its samples, none of them twice.
func parseMetrics(t *testing.T, text string) map[string]float64 {
	values := map[string]float64{}
	seen := map[string]bool{}
	var helped, family, kind string
	require.True(t, strings.HasSuffix(text, "\n"))
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			require.Greater(t, len(f), 3, line)
			require.False(t, seen[f[2]], line)
			helped, seen[f[2]] = f[2], true
		case strings.HasPrefix(line, "# TYPE "):
			require.Equal(t, helped, f[2], line)
			require.Contains(t, []string{"gauge", "counter", "histogram"}, f[3])
			require.Equal(t, f[3] == "counter", strings.HasSuffix(f[2], "_total"), line)
			require.Regexp(t, commonName, f[2])
			family, kind = f[2], f[3]
		default:
			m := sampleLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			require.NotNil(t, m, line)
			name := m[1]
			if kind == "histogram" {
				name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			}
			require.Equal(t, family, name, line)
			require.NotContains(t, values, m[1]+m[2])
			v, err := strconv.ParseFloat(m[3], 64)
			require.NoError(t, err, line)
			values[m[1]+m[2]] = v
		}
	}
	return values
}

// fetch returns the status, the type and the text of a page.
func fetch(t *testing.T, s *Server, path string) (int, string, string) {
	return fetchFrom(t, s.MetricsAddr().String(), path)
}

// fetchFrom is fetch for a server in another process.
func fetchFrom(t *testing.T, address, path string) (int, string, string) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("http://" + address + path)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text)
}

func TestMetricsPageIsPrometheusTextOnLoopback(t *testing.T) {
	s, err := Start(context.Background(), WithInMemory(), WithMetricsAddress(":0"), WithMaxLocks(2), WithMaxConnections(1), WithMaxPlacesPerConnection(1))
	require.NoError(t, err)
	defer s.Close()
	host, _, err := net.SplitHostPort(s.MetricsAddr().String())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)

	c := dial(t, s)
	token, _ := c.grant("l|k|0")
	require.Equal(t, "ok", c.ask("r|k|"+token))
	require.Equal(t, "error", c.ask("r|k|"+token))
	c.grant("sl|secret-key|0 3")
	c.grant("l|k|0")
	require.Equal(t, "timeout", c.ask("l|k|0"))
	require.Equal(t, "error_max_locks", c.ask("l|third|0"))
	require.Equal(t, "error_limit_mismatch", c.ask("sl|k|0 7"))
	require.Equal(t, "error", c.ask("nonsense|k|0"))
	require.Equal(t, "queued", c.ask("e|k|"))
	require.Equal(t, "#1 error_max_waiters", c.ask("#1 e|k|"))
	dial(t, s).eof()

	status, kind, text := fetch(t, s, "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, kind, "text/plain; version=0.0.4")
	got := parseMetrics(t, text)
	for name, want := range map[string]float64{
		"dflockd_connections":            1,
		"dflockd_keys":                   2,
		"dflockd_slots_held":             2,
		"dflockd_waiters":                1,
		"dflockd_draining":               0,
		"dflockd_keys_of_several_limits": 0,
		"dflockd_startup_grace_seconds":  0,
		"dflockd_grants_total":           3,
		"dflockd_releases_total":         1,
		"dflockd_lease_expiries_total":   0,
		"dflockd_timeouts_total":         1,
		"dflockd_connections_refused_total{reason=\"max_connections\"}":        1,
		"dflockd_connections_refused_total{reason=\"max_connections_per_ip\"}": 0,
		"dflockd_requests_refused_total{reason=\"malformed\"}":                 1,
		"dflockd_requests_refused_total{reason=\"not_held\"}":                  1,
		"dflockd_requests_refused_total{reason=\"max_locks\"}":                 1,
		"dflockd_requests_refused_total{reason=\"limit_mismatch\"}":            1,
		"dflockd_requests_refused_total{reason=\"max_places_per_connection\"}": 1,
		"dflockd_requests_refused_total{reason=\"max_waiters\"}":               0,
		"dflockd_requests_refused_total{reason=\"draining\"}":                  0,
		"dflockd_wait_seconds_count":                                           3,
		"dflockd_wait_seconds_bucket{le=\"+Inf\"}":                             3,
		"dflockd_hold_seconds_count":                                           1,
	} {
		require.Contains(t, got, name)
		require.Equal(t, want, got[name], name)
	}
	for _, name := range []string{"process_start_time_seconds", "go_goroutines", "go_memstats_heap_alloc_bytes"} {
		require.Positive(t, got[name], name)
	}
	require.Contains(t, text, `dflockd_build_info{version="`)
	require.NotContains(t, text, "secret-key")
}

func TestWaitsAndHoldsAreToBeSeenAsHistograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder, waiter := dial(t, s), dial(t, s)
		token, _ := holder.grant("l|k|0 60")
		waiter.send("l|k|60")
		synctest.Wait()
		time.Sleep(7 * time.Second)
		require.Equal(t, "ok", holder.ask("r|k|"+token))
		waiter.granted(waiter.line())
		got := parseMetrics(t, string(s.measure().exposition()))
		require.Equal(t, 7.0, got["dflockd_wait_seconds_sum"])
		require.Equal(t, 7.0, got["dflockd_hold_seconds_sum"])
		for le, want := range map[string]float64{"0.001": 1, "5": 1, "10": 2, "3600": 2, "+Inf": 2} {
			require.Equal(t, want, got[`dflockd_wait_seconds_bucket{le="`+le+`"}`], le)
		}
		require.Zero(t, got[`dflockd_hold_seconds_bucket{le="5"}`])
		require.Equal(t, 1.0, got[`dflockd_hold_seconds_bucket{le="10"}`])
	})
}

func TestProbesSayWhetherTheServerLivesAndShouldBeSentClients(t *testing.T) {
	s, err := Start(context.Background(), WithInMemory(), WithMetricsAddress(":0"), WithStartupGrace(time.Hour))
	require.NoError(t, err)
	defer s.Close()
	status, _, text := fetch(t, s, "/healthz")
	require.Equal(t, http.StatusOK, status, text)
	status, _, text = fetch(t, s, "/readyz")
	require.Equal(t, http.StatusOK, status, "renewals must get through in the grace")
	require.Contains(t, text, "startup grace")

	s, err = Start(context.Background(), WithInMemory(), WithMetricsAddress(":0"))
	require.NoError(t, err)
	defer s.Close()
	c := dial(t, s)
	token, _ := c.grant("l|k|0")
	_, _, text = fetch(t, s, "/readyz")
	require.Equal(t, "ready\n", text)
	s.beginStop()
	status, _, _ = fetch(t, s, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _, _ = fetch(t, s, "/healthz")
	require.Equal(t, http.StatusOK, status, "whoever drains is alive")
	require.Equal(t, "ok", c.ask("r|k|"+token))
	require.NoError(t, s.Shutdown(context.Background()))
}

func TestLabelsAndHelpTextsAreEscaped(t *testing.T) {
	var p page
	p.family("name", "gauge", "a\nb\\")
	p.sample("name", 0.5, "one", "a\"b\\\n", "two", "x")
	require.Equal(t, "# HELP name a\\nb\\\\\n# TYPE name gauge\nname{one=\"a\\\"b\\\\\\n\",two=\"x\"} 0.5\n", string(p.text))
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, o := range map[string]Option{
		"lease of 0":           WithDefaultLease(0),
		"lease of half":        WithDefaultLease(1500e6),
		"default over longest": WithMaxLease(1e9),
		"read timeout of 0":    WithReadTimeout(0),
		"negative timeout":     WithWriteTimeout(-1),
		"negative limit":       WithMaxConnections(-1),
		"empty secret":         WithSecret(""),
		"secret of two lines":  WithSecret("a\nb"),
		"no logger":            WithLogger(nil),
		"address":              WithAddress("nowhere:http:x"),
		"metrics":              WithMetricsAddress("nowhere"),
		"nil option":           nil,
	} {
		_, err := Start(context.Background(), WithAddress("127.0.0.1:0"), o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "a\nb")
	}
}
