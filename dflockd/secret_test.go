package dflockd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// safeBuffer is a buffer that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

const (
	sentinelSecret = "sentinel-secret-4711"
	sentinelToken  = "5e17e1deadbeef005e17e1deadbeef00"
)

func TestSecretsAndTokensAreNeverShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said safeBuffer
		say := func(v any) {
			fmt.Fprintf(&said, "%v|%+v|%#v|%s|%q\n", v, v, v, v, v)
			if err, ok := v.(error); ok {
				for e := err; e != nil; e = errors.Unwrap(e) {
					fmt.Fprintf(&said, "%+v|%#v\n", e, e)
				}
			}
			if b, err := json.Marshal(v); err == nil {
				said.Write(b)
			}
		}
		for _, answer := range []string{
			"ok " + sentinelToken + " 5", "ok " + sentinelToken + " 99", "acquired " + sentinelToken + " 5",
			"ok " + sentinelToken, sentinelToken, "error " + sentinelToken, "timeout", "error_draining",
		} {
			p := newPeer(t, func(_ int, r wire.Request) string {
				switch r.Command {
				case wire.Auth:
					return "ok"
				case wire.SemLock, wire.Lock, wire.Enqueue:
					return answer
				}
				return "error"
			})
			opts := []Option{
				WithDialer(p.dial), WithAuth(sentinelSecret), WithLease(5 * time.Second),
				WithLogger(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))),
			}
			src, err := NewSource(slot.Fixed("k", 1), opts...)
			require.NoError(t, err)
			ticket, err := src.Enqueue(t.Context(), "")
			say(err)
			if err == nil {
				say(ticket)
				if s, ok := ticket.Slot(); ok {
					say(s.Info())
					<-s.Context().Done() // the renewal is refused
					say(context.Cause(s.Context()))
					say(s.Release())
				}
			}
			say(src.Ping(t.Context()))
			p.reset()
			synctest.Wait()
			say(src.Close(t.Context()))
			lock, err := NewLock("k", append(opts, WithAcquireTimeout(time.Second))...)
			require.NoError(t, err)
			_, err = lock.Acquire(t.Context())
			say(err)
			say(lock.Release())
			say(lock.Close())
			p.reset()
		}
		_, err := NewSource(slot.Fixed("k", 1), WithAuth(sentinelSecret+"\n"))
		say(err)
		_, err = NewSource(slot.Fixed("k", 1), WithAuth(sentinelSecret), WithServers("10.0.0.1:1"))
		say(err)
		require.Contains(t, said.String(), "slot lost: ", "something was said")
		require.NotContains(t, said.String(), sentinelSecret)
		require.NotContains(t, strings.ToLower(said.String()), sentinelToken[:8])
		require.NotContains(t, said.String(), fmt.Sprint([]byte(sentinelSecret))[1:20])
	})
}

func TestWholeValuesHideTheirSecrets(t *testing.T) {
	cfg, err := newConfig([]Option{WithAuth(sentinelSecret)})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v %#v %v", *cfg, *cfg, cfg), sentinelSecret)
	tok, ok := wire.ParseToken([]byte(sentinelToken))
	require.True(t, ok)
	cl := &claim{order: order{name: "k"}, holding: holding{token: tok}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		require.Equal(t, `dflockd slot of "k"`, fmt.Sprintf(verb, (*grant)(cl)))
		require.Equal(t, `dflockd ticket of "k"`, fmt.Sprintf(verb, (*ticket)(cl)))
	}
}
