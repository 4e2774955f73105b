package slothttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/slothttp"
)

// aWhile is how long a test waits for what should happen at once. A busy machine
// takes long for that, too.
const aWhile = time.Minute

// A site is a server with a client whose requests all need a slot of the key "k".
type site struct {
	*httptest.Server
	client *http.Client
	src    *slottest.Breakable
	limit  int
	seen   *spy
}

// protocols are those that the tests of whole requests are made with.
var protocols = []struct {
	name  string
	major int
}{{"HTTP1", 1}, {"HTTP2", 2}}

// onEachProtocol runs a test against real servers.
func onEachProtocol(t *testing.T, limit int, serve http.HandlerFunc, test func(*testing.T, *site)) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != p.major {
					t.Errorf("the request came by %s", r.Proto)
				}
				serve(w, r)
			}))
			srv.EnableHTTP2 = p.major == 2
			srv.StartTLS()
			t.Cleanup(srv.Close) // when the requests, which have t.Context, have ended
			test(t, newSite(t, srv, limit))
		})
	}
}

func newSite(t *testing.T, srv *httptest.Server, limit int) *site {
	s := &site{Server: srv, client: srv.Client(), src: slottest.NewBreakable(slot.NewLocal(limit)), limit: limit}
	s.seen = &spy{base: s.client.Transport}
	s.client.Transport = &slothttp.Transport{Base: s.seen, Source: s.src, Key: always("k")}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

func always(key string) func(*http.Request) string { return func(*http.Request) string { return key } }

// get begins a request that ends with the test at the latest.
func (s *site) get(t *testing.T, path string) *http.Response {
	t.Helper()
	resp, err := s.client.Do(s.request(t, t.Context(), path))
	require.NoError(t, err)
	return resp
}

func (s *site) request(t *testing.T, ctx context.Context, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	require.NoError(t, err)
	return req
}

// begin sends a request on a goroutine of its own.
func (s *site) begin(t *testing.T, path string) <-chan outcome {
	t.Helper()
	req, done := s.request(t, t.Context(), path), make(chan outcome, 1)
	go func() {
		resp, err := s.client.Do(req)
		done <- outcome{resp, err}
	}()
	return done
}

// An outcome is what became of a request.
type outcome struct {
	resp *http.Response
	err  error
}

// wait is for handlers: it ends when the test does.
func wait(r *http.Request, ch <-chan bool) {
	select {
	case <-ch:
	case <-r.Context().Done():
	}
}

// A spy keeps the last request that went to the base transport.
type spy struct {
	base http.RoundTripper
	last *http.Request
}

func (s *spy) RoundTrip(req *http.Request) (*http.Response, error) {
	s.last = req
	return s.base.RoundTrip(req)
}

func (s *spy) CloseIdleConnections() { s.base.(*http.Transport).CloseIdleConnections() }

// free returns how many slots of the key "k" are free.
func free(t *testing.T, src slot.Source) int {
	t.Helper()
	return freeOf(t, src, "k")
}

func freeOf(t *testing.T, src slot.Source, key string) int {
	t.Helper()
	var taken []slot.Slot
	for {
		s, ok, err := slot.Try(context.Background(), src, key)
		require.NoError(t, err)
		if !ok {
			break
		}
		taken = append(taken, s)
	}
	for _, s := range taken {
		require.NoError(t, s.Release())
	}
	return len(taken)
}

// soonFree waits until n slots are free.
func soonFree(t *testing.T, src slot.Source, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return free(t, src) == n }, aWhile, time.Millisecond)
}

// A roundTrip is a base transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A bodyOf is a body made of functions, as another's transport may have it: it does
// not know contexts. It counts its calls of Close.
type bodyOf struct {
	read   func([]byte) (int, error)
	closed int
}

func (b *bodyOf) Read(p []byte) (int, error) { return b.read(p) }
func (b *bodyOf) Close() error               { b.closed++; return nil }

func response(body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: body}
}
