package server

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parseMetrics reads Prometheus text: each figure needs its HELP and TYPE.
func parseMetrics(t *testing.T, text string) map[string]float64 {
	help, kind, values := map[string]bool{}, map[string]string{}, map[string]float64{}
	line := regexp.MustCompile(`^([a-z_]+) ([0-9.]+)$`)
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		f := strings.Fields(scan.Text())
		switch {
		case strings.HasPrefix(scan.Text(), "# HELP "):
			require.Greater(t, len(f), 3)
			help[f[2]] = true
		case strings.HasPrefix(scan.Text(), "# TYPE "):
			require.Contains(t, []string{"gauge", "counter"}, f[3])
			kind[f[2]] = f[3]
		default:
			m := line.FindStringSubmatch(scan.Text())
			require.NotNil(t, m, scan.Text())
			require.True(t, help[m[1]], m[1])
			require.Equal(t, kind[m[1]] == "counter", strings.HasSuffix(m[1], "_total"), m[1])
			v, err := strconv.ParseFloat(m[2], 64)
			require.NoError(t, err)
			values[m[1]] = v
		}
	}
	return values
}

func TestMetricsPageIsPrometheusTextOnLoopback(t *testing.T) {
	s, err := Start(context.Background(), WithInMemory(), WithMetricsAddress(":0"))
	require.NoError(t, err)
	defer s.Close()
	host, _, err := net.SplitHostPort(s.MetricsAddr().String())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)

	c := dial(t, s)
	token, _ := c.grant("l|k|0")
	c.ask("r|k|" + token)
	c.grant("sl|secret-key|0 3")
	c.grant("l|k|0")
	require.Equal(t, "timeout", c.ask("l|k|0"))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + s.MetricsAddr().String() + "/metrics")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Content-Type"), "text/plain; version=0.0.4")
	var b strings.Builder
	_, err = bufio.NewReader(resp.Body).WriteTo(&b)
	require.NoError(t, err)
	got := parseMetrics(t, b.String())
	require.Len(t, got, 11)
	require.Equal(t, 1.0, got["dflockd_connections"])
	require.Equal(t, 3.0, got["dflockd_grants_total"])
	require.Equal(t, 1.0, got["dflockd_releases_total"])
	require.Equal(t, 2.0, got["dflockd_slots_held"])
	require.Equal(t, 1.0, got["dflockd_timeouts_total"])
	require.NotContains(t, b.String(), "secret-key")
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
