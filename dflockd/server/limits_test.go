package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAKeyWhoseClaimsHaveDifferentLimitsIsCountedAndSaid(t *testing.T) {
	var log bytes.Buffer
	s := start(t, WithMetricsAddress("127.0.0.1:0"), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	c := dial(t, s)
	c.ask("hello|_|1 limits")
	several := func() float64 {
		status, _, text := fetch(t, s, "/metrics")
		require.Equal(t, http.StatusOK, status)
		return parseMetrics(t, text)["dflockd_keys_of_several_limits"]
	}
	three, _ := c.grant("sl|k|0 3")
	require.Zero(t, several())
	two, _ := c.grant("sl|k|0 2")
	require.Equal(t, 1.0, several())
	require.Equal(t, "timeout", c.ask("sl|k|0 3"))
	require.Contains(t, c.ask("stats|_|_"), `"semaphores":[{"key":"k","limit":2,"holders":2,"waiters":0}]`)
	require.Equal(t, 1, strings.Count(log.String(), "claims of one key have different limits"), "%s", &log)
	require.Contains(t, log.String(), "key=k limit=2")
	require.Equal(t, "ok", c.ask("sr|k|"+three))
	require.Zero(t, several(), "the deploy is over")
	require.Equal(t, "ok", c.ask("sr|k|"+two))
}

// A semaphore and a lock of one name are claims with the limits 2 and 1.
func TestALockBesideASemaphoreOfItsNameIsAloneWhileItIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		c := dial(t, s)
		c.ask("hello|_|1 limits")
		lock, _ := c.grant("l|k|0")
		require.Equal(t, "timeout", c.ask("sl|k|0 2"))
		require.Contains(t, c.ask("stats|_|_"), `"locks":[{"key":"k"`)
		require.Equal(t, "ok", c.ask("r|k|"+lock))
		first, _ := c.grant("sl|k|0 2")
		require.Equal(t, "timeout", c.ask("l|k|0"))
		require.Equal(t, "ok", c.ask("sr|k|"+first))
	})
}
