package slothttp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/slothttp"
)

// A base that does not know contexts goes on reading after the end of one.
func TestASlotIsNotGivenBackWhileABodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocal(1)
		data := make(chan string)
		body := &bodyOf{read: func(p []byte) (int, error) { return copy(p, <-data), nil }}
		tr := &slothttp.Transport{Source: src, Base: roundTrip(func(*http.Request) (*http.Response, error) { return response(body), nil })}
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://k/", nil)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)

		read := make(chan error)
		go func() {
			_, err := resp.Body.Read(make([]byte, 10))
			read <- err
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Zero(t, free(t, src), "it is being read")
		require.Zero(t, body.closed)
		data <- "last"
		require.NoError(t, <-read)
		require.Equal(t, 1, free(t, src))
		require.Equal(t, 1, body.closed)
		_, err = resp.Body.Read(make([]byte, 10))
		require.ErrorIs(t, err, context.Canceled, "the base is not asked any more")
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, body.closed)
	})
}

// The length of a response that a round tripper leaves at 0 is not known.
func TestABodyOfUnknownLengthHoldsItsSlot(t *testing.T) {
	src := slot.NewLocal(1)
	tr := &slothttp.Transport{Source: src, Base: roundTrip(func(*http.Request) (*http.Response, error) {
		return response(io.NopCloser(strings.NewReader("text"))), nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://k/", nil)
	require.NoError(t, err)
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.Zero(t, resp.ContentLength)
	require.Zero(t, free(t, src))
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, free(t, src))
}

func TestABodyThatNobodyHasAnyMoreGivesItsSlotBackAndIsReportedOnce(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the connection is freed as well
	}
	onEachProtocol(t, 3, serve, func(t *testing.T, s *site) {
		collectByHand(t)
		log := captureLog(t)
		slothttp.ForgetWhatWasSaid()
		for range 3 {
			forget(t, s)
		}
		require.Zero(t, free(t, s.src))
		collectUntilFree(t, s, 3)
		require.Eventually(t, func() bool { return log.lines() == 1 }, aWhile, time.Millisecond)
		require.Contains(t, log.String(), "close bodies")
		require.Contains(t, log.String(), "key=k")
	})
}

func forget(t *testing.T, s *site) {
	_, err := s.client.Do(s.request(t, t.Context(), "/"))
	require.NoError(t, err)
}

// collectByHand has the garbage collector run only when the test says so.
func collectByHand(t *testing.T) {
	before := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(before) })
}

// collectUntilFree runs the garbage collector until n slots are free.
func collectUntilFree(t *testing.T, s *site, n int) {
	s.seen.last = nil
	require.Eventually(t, func() bool {
		runtime.GC()
		return free(t, s.src) == n
	}, aWhile, time.Millisecond)
}

// A response that somebody reads is not taken for one that was dropped.
func TestABodyThatIsReadIsNotCollected(t *testing.T) {
	more := make(chan bool)
	serve := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		wait(r, more)
		_, _ = io.WriteString(w, "text")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		req, read := s.request(t, t.Context(), "/"), make(chan error, 1)
		go func() { read <- readOnce(s, req) }()
		require.Eventually(t, func() bool { return free(t, s.src) == 0 }, aWhile, time.Millisecond)
		for range 5 {
			runtime.GC()
			runtime.Gosched()
		}
		require.Zero(t, free(t, s.src))
		more <- true
		require.NoError(t, <-read)
		collectUntilFree(t, s, 1)
	})
}

// readOnce reads from a response that nobody uses after that.
func readOnce(s *site, req *http.Request) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	_, err = resp.Body.Read(make([]byte, 4))
	return err
}

// Whoever ends a response, at the same time as others, the slot goes back, once.
func TestHoweverAResponseEndsItsSlotGoesBackOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("BERTH_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("BERTH_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		src := slottest.NewBreakable(slot.NewLocal(1))
		left := random.IntN(3)
		var mu sync.Mutex
		body := &bodyOf{read: func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if left--; left < 0 {
				return 0, io.EOF
			}
			return 1, nil
		}}
		tr := &slothttp.Transport{Source: src, Base: roundTrip(func(*http.Request) (*http.Response, error) { return response(body), nil }), Key: always("k")}
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://k/", nil)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		var ends sync.WaitGroup
		for _, end := range []func(){
			func() { _, _ = io.ReadAll(resp.Body) },
			func() { _ = resp.Body.Close() },
			cancel,
			func() { src.Expire("k") },
		} {
			if random.IntN(2) == 0 {
				ends.Go(end)
			}
		}
		ends.Wait()
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, body.closed)
		require.Equal(t, 1, free(t, src))
		cancel()
	}
}

// A logBuffer is where the default logger writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func captureLog(t *testing.T) *logBuffer {
	b := &logBuffer{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(b, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return b
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) lines() int { return strings.Count(b.String(), "\n") }
