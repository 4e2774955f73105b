package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
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

func TestWrongSecretsAreAnsweredSlowlyAndTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"))
		begin := time.Now()
		require.Equal(t, "error_auth", dial(t, s).ask("auth|_|wrong"))
		require.Equal(t, 200*time.Millisecond, time.Since(begin))
		time.Sleep(time.Second)

		var attempts []*client
		for range 1000 {
			c := dial(t, s)
			c.send("auth|_|guess")
			attempts = append(attempts, c)
		}
		answered := 0
		for _, c := range attempts {
			text, err := io.ReadAll(c)
			require.NoError(t, err)
			if len(text) > 0 {
				require.Equal(t, "error_auth\n", string(text))
				answered++
			}
		}
		require.Equal(t, answersPerSecond, answered)
		require.Equal(t, uint64(1001), s.Stats().AuthFailures)
	})
}

func TestRightSecretIsAcceptedAtOnceWhateverOthersGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"))
		for range 50 { // guessers that wait for their answers, and try again
			go func() {
				for {
					nc, err := s.Dial(context.Background())
					if err != nil {
						return
					}
					_, _ = io.WriteString(nc, "auth\n_\nguess\n")
					_, _ = io.ReadAll(nc)
					_ = nc.Close()
				}
			}()
		}
		for range 600 { // as many as a large pool has connections
			time.Sleep(17 * time.Millisecond)
			begin := time.Now()
			c := dial(t, s)
			require.Equal(t, "ok", c.ask("auth|_|sesame"))
			require.Zero(t, time.Since(begin))
			_ = c.Close()
		}
		require.Greater(t, s.Stats().AuthFailures, uint64(500), "there were guesses")
		s.Close()
	})
}

// A right secret may come as slowly as it likes: it is accepted, or the time
// is over and nothing is said.
func TestRightSecretThatComesSlowlyIsNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"), WithPreAuthTimeout(10*time.Second))
		for pause, want := range map[time.Duration]string{400 * time.Millisecond: "ok\n", time.Second: ""} {
			c := dial(t, s)
			for _, b := range []byte("auth\n_\nsesame\n") {
				_, _ = c.Write([]byte{b}) // may meet the end
				time.Sleep(pause)
			}
			got := make([]byte, 100)
			n, _ := c.Read(got)
			require.Equal(t, want, string(got[:n]), "a byte each %v", pause)
		}
	})
}

func TestEachOfSeveralSecretsIsRightAndTheyCanBeReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecrets("old", "new"))
		in := dial(t, s)
		require.Equal(t, "ok", in.ask("auth|_|old"))
		require.Equal(t, "ok", dial(t, s).ask("auth|_|new"))
		require.Equal(t, "error_auth", dial(t, s).ask("auth|_|oldnew"))

		require.NoError(t, s.SetSecrets("new"))
		require.Equal(t, "ok", in.ask("ping|_|_"), "who is in stays")
		require.Equal(t, "error_auth", dial(t, s).ask("auth|_|old"))
		require.Equal(t, "ok", dial(t, s).ask("auth|_|new"))

		require.ErrorContains(t, s.SetSecrets(), "at least one")
		require.ErrorContains(t, s.SetSecrets("other", "a\nb"), "secret 2")
		require.Equal(t, "ok", dial(t, s).ask("auth|_|new"), "nothing has changed")
		require.ErrorContains(t, start(t).SetSecrets("new"), "started without a secret")
	})
	_, err := Start(context.Background(), WithInMemory(), WithSecrets())
	require.ErrorContains(t, err, "at least one")
}

func TestWrongSecretsAreCountedByAddress(t *testing.T) {
	var g guesses
	answered := 0
	for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
		if g.takeAnswer("a", now) {
			answered++
		}
	}
	require.Equal(t, 10*answersPerSecond, answered)
	require.True(t, g.takeAnswer("b", 10*time.Second), "another address has answers of its own")
	for i := range maxGuessers + 10 {
		g.takeAnswer(fmt.Sprint(i), 20*time.Second)
	}
	require.Len(t, g.recent, maxGuessers)
	require.False(t, g.takeAnswer("one too many", 20*time.Second))
	g.takeAnswer("a", 22*time.Second)
	g.takeAnswer("a", 24*time.Second)
	require.Len(t, g.recent, 1, "they are forgotten")
	require.Len(t, g.older, 1)
}

func TestAddressesAreHostsOrTheirNetworks(t *testing.T) {
	from := func(host string) string {
		_, from := addressOf(&net.TCPAddr{IP: net.ParseIP(host), Port: 1})
		return from
	}
	require.Equal(t, from("2001:db8::1"), from("2001:db8::2"))
	require.NotEqual(t, from("2001:db8::1"), from("2001:db8:0:1::1"))
	require.NotEqual(t, from("10.0.0.1"), from("10.0.0.2"))
	require.Equal(t, from("10.0.0.1"), from("::ffff:10.0.0.1"))
	_, a := addressOf(&net.UnixAddr{Net: "unix", Name: ""})
	_, b := addressOf(&net.UnixAddr{Net: "unix", Name: "/tmp/client"})
	require.Equal(t, a, b)
	require.NotEmpty(t, a)
}

func TestConnectionWithoutTheSecretIsCutOffEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"), WithPreAuthTimeout(2*time.Second))
		silent, shown := dial(t, s), dial(t, s)
		require.Equal(t, "ok", shown.ask("auth|_|sesame"))
		begin := time.Now()
		silent.eof()
		require.Equal(t, 2*time.Second, time.Since(begin))
		time.Sleep(20 * time.Second)
		require.Equal(t, "ok", shown.ask("ping|_|_"))
	})
}
