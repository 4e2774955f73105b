package slothttp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slothttp"
)

// busy answers with a status, and with Retry-After unless that is empty.
func busy(status int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "come back later")
	}
}

func TestOnlyABusyServersWordPausesTheKeyOfItsRequests(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		pauses bool
	}{
		"429":                       {busy(429, "3600"), true},
		"503":                       {busy(503, "3600"), true},
		"429 until a date":          {busy(429, "Fri, 01 Jan 2100 00:00:00 GMT"), true},
		"429 until a date long ago": {busy(429, "Sun, 06 Nov 1994 08:49:37 GMT"), false},
		"429 without a time":        {busy(429, ""), false},
		"429 with nonsense":         {busy(429, "soon"), false},
		"200":                       {busy(200, "3600"), false},
		"500":                       {busy(500, "3600"), false},
	} {
		onEachProtocol(t, 2, c.answer, func(t *testing.T, s *site) {
			s.client.Transport.(*slothttp.Transport).PauseAtMost = slot.MaxPause
			before := time.Now()
			resp := s.get(t, "/")
			st, err := slot.Inspect(t.Context(), s.src, "k")
			require.NoError(t, err)
			require.Equal(t, 1, st.Held, "the response is not over")
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "come back later", string(text), "the caller has the response all the same")
			if !c.pauses {
				require.Zero(t, st.PausedUntil, name)
				return
			}
			require.False(t, st.PausedUntil.Before(before.Add(slot.MaxPause)), name)
			require.False(t, st.PausedUntil.After(time.Now().Add(slot.MaxPause)), name)
			_, ok, err := slot.Try(t.Context(), s.src, "k")
			require.NoError(t, err)
			require.False(t, ok, "nobody is granted a slot")
		})
	}
}

// A busyHost is a base transport that says once to come back later.
type busyHost struct {
	slow time.Duration // how long it takes to say so

	mu    sync.Mutex // guards what follows
	asked []time.Time
	told  []error // by OnPause
}

func (b *busyHost) RoundTrip(*http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.asked = append(b.asked, time.Now())
	first := len(b.asked) == 1
	b.mu.Unlock()
	resp := response(http.NoBody)
	if first {
		time.Sleep(b.slow)
		resp.StatusCode = http.StatusTooManyRequests
		resp.Header.Set("Retry-After", "30")
	}
	return resp, nil
}

// through returns a client of the host whose requests need slots of src.
func (b *busyHost) through(src slot.Source) *http.Client {
	return &http.Client{Transport: &slothttp.Transport{
		Base: b, Source: src, PauseAtMost: slot.MaxPause,
		OnPause: func(key string, d time.Duration, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, err)
		},
	}}
}

// getHost asks the host, and fails the test unless the answer has that status.
func getHost(t *testing.T, c *http.Client, status int) {
	resp, err := c.Get("http://host/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, status, resp.StatusCode)
}

// twoSources are two sources of the same two slots, as two processes have them.
func twoSources(t *testing.T) map[string][2]slot.Source {
	srv, err := server.Start(t.Context(), server.WithInMemory())
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	var remote [2]slot.Source
	for i := range remote {
		src, err := dflockd.NewSource(slot.Keyed("", 2), dflockd.WithServer(srv))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, src.Close(context.Background())) })
		remote[i] = src
	}
	local := slot.NewLocalKeyed(2)
	return map[string][2]slot.Source{"in this process": {local, local}, "of a server": remote}
}

func TestNoRequestIsSentToABusyHostByAnybodyBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, sources := range twoSources(t) {
			var host busyHost
			clients := [2]*http.Client{host.through(sources[0]), host.through(sources[1])}
			start := time.Now()
			getHost(t, clients[0], http.StatusTooManyRequests)
			require.Zero(t, time.Since(start), name)
			var requests sync.WaitGroup
			for range 5 {
				for _, c := range clients {
					requests.Go(func() { getHost(t, c, http.StatusOK) })
				}
			}
			requests.Wait()
			require.Len(t, host.asked, 11, name)
			for _, at := range host.asked[1:] {
				require.GreaterOrEqual(t, at.Sub(start), 30*time.Second, name)
				require.Less(t, at.Sub(start), 31*time.Second, name)
			}
			require.Equal(t, []error{nil}, host.told, name)
		}
	})
}

// plain is a source that can do nothing beside what every source can.
type plain struct{ slot.Source }

// stuck is a source whose engine answers to no pause.
type stuck struct{ *slot.Local }

func (stuck) Pause(ctx context.Context, _ string, _ time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestWhereTheEngineDoesNotPauseTheKeyTheTransportAloneKeepsToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for says, src := range map[string]slot.Source{
			"cannot be paused":        plain{slot.NewLocalKeyed(1)},
			"has not answered within": stuck{slot.NewLocalKeyed(1)},
		} {
			host := busyHost{slow: time.Second}
			client := host.through(src)
			start := time.Now()
			var requests sync.WaitGroup
			requests.Go(func() { getHost(t, client, http.StatusTooManyRequests) })
			synctest.Wait()
			for range 5 { // in line when the pause begins, and granted slots in it
				requests.Go(func() { getHost(t, client, http.StatusOK) })
			}
			requests.Wait()
			require.Len(t, host.told, 1, says)
			require.ErrorContains(t, host.told[0], says)
			require.Len(t, host.asked, 6, says)
			for _, at := range host.asked[1:] {
				require.Equal(t, 31*time.Second, at.Sub(start), says)
			}
			require.Equal(t, 1, freeOf(t, src, "host"), says)
		}
	})
}

func TestARequestForAHostThatIsPausedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := plain{slot.NewLocalKeyed(2)}
		var host busyHost
		client := host.through(src)
		getHost(t, client, http.StatusTooManyRequests)
		client.Timeout = time.Second
		start := time.Now()
		_, err := client.Get("http://host/")
		require.ErrorContains(t, err, `slothttp: no slot of "host"`)
		var late interface{ Timeout() bool }
		require.ErrorAs(t, err, &late)
		require.True(t, late.Timeout())
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, host.asked, 1)
		require.Equal(t, 2, freeOf(t, src, "host"))
	})
}

func TestARequestThatIsCancelledDoesNotWaitForThePauseOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := stuck{slot.NewLocalKeyed(2)}
		var host busyHost
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/", nil)
		require.NoError(t, err)
		start := time.Now()
		resp, err := host.through(src).Do(req)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait()
		require.Equal(t, 2, freeOf(t, src, "host"))
	})
}

func TestAPauseThatIsNotTakenIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
		defer slog.SetDefault(before)
		var host busyHost
		client := host.through(plain{slot.NewLocalKeyed(2)})
		client.Transport.(*slothttp.Transport).OnPause = nil
		getHost(t, client, http.StatusTooManyRequests)
		require.Equal(t, 1, strings.Count(said.String(), "cannot pause a key"), said.String())
	})
}
