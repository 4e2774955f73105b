package server

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSecretComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := start(t, WithSecret("sesame"), WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		c := dial(t, s)
		c.send("auth|_|sesame")
		c.send("l|k|0") // sent ahead
		require.Equal(t, "ok", c.line())
		token, _ := c.granted(c.line())
		require.Equal(t, "error", c.ask("auth|_|sesame"), "once is enough")

		for _, first := range []string{"auth|_|wrong", "l|k|0", "ping|_|_", "hello|_|1", "nonsense|a|b", "auth|_|"} {
			c := dial(t, s)
			require.Equal(t, "error_auth", c.ask(first), first)
			c.eof()
		}
		require.Equal(t, uint64(6), s.Stats().AuthFailures)
		require.NotContains(t, log.String(), "sesame")
		require.NotContains(t, log.String(), "wrong")
		require.NotContains(t, log.String(), token)
	})
	require.Equal(t, "error", dial(t, start(t)).ask("auth|_|any"), "where there is no secret")
}

func TestGuessingTheSecretIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"))
		c := dial(t, s)
		require.Equal(t, "ok", c.ask("auth|_|sesame"))
		begin := time.Now()
		require.Equal(t, "error_auth", dial(t, s).ask("auth|_|wrong"))
		require.GreaterOrEqual(t, time.Since(begin), 200*time.Millisecond)

		var attempts []*client
		for range 1000 {
			c := dial(t, s)
			c.send("auth|_|guess")
			attempts = append(attempts, c)
		}
		for _, c := range attempts {
			require.Equal(t, "error_auth", c.line())
		}
		late := dial(t, s)
		begin = time.Now()
		require.Equal(t, "ok", late.ask("auth|_|sesame"), "who knows it waits for its turn")
		require.LessOrEqual(t, time.Since(begin), 6*time.Second)
		time.Sleep(2 * time.Minute)
		begin = time.Now()
		require.Equal(t, "ok", dial(t, s).ask("auth|_|sesame"))
		require.Zero(t, time.Since(begin), "it is forgiven")
	})
}

func TestGuessesAreLookedAtAtMostFiveTimesASecond(t *testing.T) {
	var g guesses
	_, ok := g.turn("a", 0)
	require.True(t, ok)
	g.failed("a", 0)
	seen, now := 0, time.Duration(0)
	for ; now < 10*time.Second; now += time.Millisecond {
		if at, ok := g.turn("a", now); ok && at < 10*time.Second {
			seen++
		}
	}
	require.LessOrEqual(t, seen, 50)
	at, ok := g.turn("b", now)
	require.True(t, ok)
	require.Equal(t, now, at, "another address does not wait")
	for i := range maxGuessers + 10 {
		g.failed(string(rune(i+1000)), now)
	}
	require.LessOrEqual(t, len(g.next), maxGuessers)
}

func TestGuessersOfOneNetworkAreOne(t *testing.T) {
	require.Equal(t, guesser("2001:db8::1"), guesser("2001:db8::2"))
	require.NotEqual(t, guesser("2001:db8::1"), guesser("2001:db8:0:1::1"))
	require.NotEqual(t, guesser("10.0.0.1"), guesser("10.0.0.2"))
}

func TestConnectionWithoutTheSecretIsCutOffEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"), WithPreAuthTimeout(2*time.Second))
		silent, shown := dial(t, s), dial(t, s)
		require.Equal(t, "ok", shown.ask("auth|_|sesame"))
		begin := time.Now()
		require.Equal(t, "error_auth", silent.line())
		silent.eof()
		require.Equal(t, 2*time.Second, time.Since(begin))
		time.Sleep(20 * time.Second)
		require.Equal(t, "ok", shown.ask("ping|_|_"))
	})
}
