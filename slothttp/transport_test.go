package slothttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/slothttp"
)

// How a caller can end a response of which it has read the first byte.
var endings = []struct {
	name string
	end  func(*testing.T, *http.Response)
}{
	{"read to its end", func(t *testing.T, resp *http.Response) {
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "econd", string(rest))
	}},
	{"closed", func(t *testing.T, resp *http.Response) {
		require.NoError(t, resp.Body.Close())
	}},
	{"closed twice", func(t *testing.T, resp *http.Response) {
		require.NoError(t, resp.Body.Close())
		require.NoError(t, resp.Body.Close())
	}},
}

func TestARequestHoldsItsSlotUntilItsResponseIsOver(t *testing.T) {
	for _, ending := range endings {
		t.Run(ending.name, func(t *testing.T) {
			asked, answer, more := make(chan bool, 1), make(chan bool), make(chan bool)
			serve := func(w http.ResponseWriter, r *http.Request) {
				asked <- true
				wait(r, answer)
				w.(http.Flusher).Flush()
				wait(r, more)
				_, _ = io.WriteString(w, "second")
			}
			onEachProtocol(t, 2, serve, func(t *testing.T, s *site) {
				answered := s.begin(t, "/")
				<-asked
				require.Equal(t, 1, free(t, s.src), "while the server works")
				answer <- true
				got := <-answered
				require.NoError(t, got.err)
				resp := got.resp
				require.Equal(t, 1, free(t, s.src), "when the header is there")
				more <- true
				_, err := io.ReadFull(resp.Body, make([]byte, 1))
				require.NoError(t, err)
				require.Equal(t, 1, free(t, s.src), "while the body is read")
				require.NoError(t, s.seen.last.Context().Err())
				ending.end(t, resp)
				require.Equal(t, 2, free(t, s.src), "when the response is over")
				require.ErrorIs(t, context.Cause(s.seen.last.Context()), slot.ErrReleased)
				_, err = resp.Body.Read(make([]byte, 1))
				require.Error(t, err)
			})
		})
	}
}

func TestAResponseWithoutABodyHoldsNoSlot(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/same":
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "100")
		}
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		head := s.request(t, t.Context(), "/")
		head.Method = http.MethodHead
		for _, req := range []*http.Request{head, s.request(t, t.Context(), "/none"), s.request(t, t.Context(), "/same")} {
			resp, err := s.client.Do(req)
			require.NoError(t, err)
			require.Equal(t, 1, free(t, s.src), "%s %s: nobody has closed the body", req.Method, req.URL.Path)
			require.NoError(t, resp.Body.Close())
		}
	})
}

func TestNoMoreRequestsAreUnderWayThanTheLimit(t *testing.T) {
	const limit, requests = 3, 60
	var now, most atomic.Int64
	serve := func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 20_000))
		now.Add(-1)
	}
	onEachProtocol(t, limit, serve, func(t *testing.T, s *site) {
		most.Store(0)
		s.client.Transport = &slothttp.Transport{Base: s.seen.base, Source: s.src, Key: always("k")}
		var all sync.WaitGroup
		for range requests {
			all.Go(func() {
				resp, err := s.client.Get(s.URL)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			})
		}
		all.Wait()
		require.LessOrEqual(t, most.Load(), int64(limit))
		require.Equal(t, limit, free(t, s.src))
	})
}

func TestEachHopOfARedirectHasASlotOfItsOwn(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		ctx, cancel := context.WithTimeout(t.Context(), aWhile) // it would wait for itself
		defer cancel()
		resp, err := s.client.Do(s.request(t, ctx, "/start"))
		require.NoError(t, err)
		require.Equal(t, "/end", resp.Request.URL.Path)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, free(t, s.src))
	})
}

func TestALostSlotEndsTheRequestBeforeAnybodyElseHasIt(t *testing.T) {
	gone := make(chan error, 2)
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "first")
			w.(http.Flusher).Flush()
		}
		gone <- nil
		<-r.Context().Done()
		gone <- r.Context().Err()
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		failed := s.begin(t, "/header")
		<-gone
		ctx := s.seen.last.Context()
		require.NoError(t, ctx.Err())
		s.src.Expire("k")
		require.Error(t, ctx.Err(), "at once")
		err := (<-failed).err
		require.ErrorIs(t, err, slot.ErrLost)
		require.ErrorContains(t, err, `the slot of "k" was lost`)
		require.Error(t, <-gone, "the server's")
		require.Equal(t, 1, free(t, s.src))

		resp := s.get(t, "/body")
		<-gone
		s.src.Expire("k")
		require.Error(t, s.seen.last.Context().Err(), "at once")
		_, err = io.ReadAll(resp.Body)
		require.ErrorIs(t, err, slot.ErrLost)
		require.Error(t, <-gone, "the server's")
		require.Equal(t, 1, free(t, s.src))
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, slot.ErrLost, "for good")
	})
}

// A server may answer in the moment in which the connection is closed, and a base
// transport hands that on although the request's context has ended.
func TestAResponseThatComesAfterTheLossOfItsSlotIsAnError(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	body := &closable{}
	transport := &slothttp.Transport{Source: src, Key: always("k"), Base: roundTrip(func(*http.Request) (*http.Response, error) {
		src.Expire("k")
		return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://site/", nil)
	require.NoError(t, err)
	_, err = transport.RoundTrip(req)
	require.ErrorIs(t, err, slot.ErrLost)
	require.ErrorContains(t, err, `the slot of "k" was lost`)
	require.True(t, body.closed)
	require.Equal(t, 1, free(t, src))
}

type closable struct{ closed bool }

func (*closable) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closable) Close() error           { c.closed = true; return nil }

func TestASlotIsFreeWhenTheContextOfItsRequestHasEndedAlthoughNobodyClosesTheBody(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		resp, err := s.client.Do(s.request(t, ctx, "/"))
		require.NoError(t, err)
		require.Zero(t, free(t, s.src))
		why := errors.New("enough")
		cancel(why)
		soonFree(t, s.src, 1)
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, why)
	})
}

func TestTrailersArriveWithTheEndOfTheBody(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announced" {
			w.Header().Set("Trailer", "Announced")
		}
		_, _ = io.WriteString(w, "text")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/announced" {
			w.Header().Set("Announced", "1")
		}
		w.Header().Set(http.TrailerPrefix+"Unannounced", "2")
	}
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		resp := s.get(t, "/announced")
		require.Equal(t, http.Header{"Announced": nil}, resp.Trailer)
		_, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.Header{"Announced": {"1"}, "Unannounced": {"2"}}, resp.Trailer)

		resp = s.get(t, "/")
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.Header{"Unannounced": {"2"}}, resp.Trailer)
	})
}

func TestTheWaitForASlotEndsWithTheRequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		bounds func(*http.Client, *http.Request) (*http.Request, context.CancelFunc)
	}{
		{"deadline", func(_ *http.Client, r *http.Request) (*http.Request, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			return r.WithContext(ctx), cancel
		}},
		{"the client's timeout", func(c *http.Client, r *http.Request) (*http.Request, context.CancelFunc) {
			c.Timeout = time.Second
			return r, func() {}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.NewLocal(1)
				held, _, err := src.Try(t.Context(), "")
				require.NoError(t, err)
				client := &http.Client{Transport: &slothttp.Transport{Source: src, Base: roundTrip(func(*http.Request) (*http.Response, error) {
					t.Error("it was sent without a slot")
					return nil, errors.New("")
				})}}
				body := &bodyOf{}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://Example.com/", body)
				require.NoError(t, err)
				req, cancel := tc.bounds(client, req)
				defer cancel()
				_, err = client.Do(req)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, `no slot of "example.com"`)
				var timeout interface{ Timeout() bool }
				require.ErrorAs(t, err, &timeout)
				require.True(t, timeout.Timeout())
				require.Positive(t, body.closed)
				require.NoError(t, held.Release())
				require.Equal(t, 1, free(t, src), "the place in line was given up")
			})
		})
	}
}

// A base that says of the end of a context no more than that it has ended.
func TestTheErrorOfALostSlotMatchesWhateverTheBaseReturns(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	tr := &slothttp.Transport{Source: src, Base: roundTrip(func(r *http.Request) (*http.Response, error) {
		src.Expire("k")
		return nil, r.Context().Err()
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://k/", nil)
	require.NoError(t, err)
	_, err = tr.RoundTrip(req)
	require.ErrorIs(t, err, slot.ErrLost)
	require.ErrorIs(t, err, context.Canceled)
}

// The base sends a request again when a connection turns out to be dead.
func TestARetryOfTheBaseIsUnderTheSlotOfItsRequest(t *testing.T) {
	var calls atomic.Int64
	var s *site
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if free(t, s.src) != 1 {
			t.Error("not one slot is held")
		}
		if calls.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(srv.Close)
	s = newSite(t, srv, 2)
	for range 2 {
		require.NoError(t, s.get(t, "/").Body.Close())
		require.Equal(t, 2, free(t, s.src))
	}
	require.EqualValues(t, 3, calls.Load())
}

// In HTTP/2 a server may answer before it has read what it is sent. (That of
// net/http reads on in HTTP/1, for a while.)
func TestAnAnswerThatComesEarlyEndsWhatIsStillSent(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "enough") }
	onEachProtocol(t, 1, serve, func(t *testing.T, s *site) {
		if !s.EnableHTTP2 {
			return
		}
		sent, feed := io.Pipe()
		req := s.request(t, t.Context(), "/")
		req.Method, req.Body = http.MethodPost, sent
		resp, err := s.client.Do(req)
		require.NoError(t, err)
		require.Zero(t, free(t, s.src))
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "enough", string(text))
		require.Equal(t, 1, free(t, s.src))
		require.Eventually(t, func() bool {
			_, err := feed.Write([]byte("more"))
			return errors.Is(err, io.ErrClosedPipe)
		}, aWhile, time.Millisecond, "the body of the request is closed")
	})
}

func TestARequestIsNotModifiedItsBodyIsClosedAndItsSlotGoesBackOnEveryPath(t *testing.T) {
	failed := errors.New("failed")
	sends := roundTrip(func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		return response(http.NoBody), nil
	})
	for _, tc := range []struct {
		name  string
		to    *slothttp.Transport
		setUp func(*slottest.Breakable)
		panic any
		err   error
		text  string
	}{
		{name: "sent", to: &slothttp.Transport{Base: sends}},
		{name: "refused", to: &slothttp.Transport{Base: sends}, setUp: (*slottest.Breakable).Break, err: slot.ErrUnavailable, text: `slothttp: no slot of "k"`},
		{name: "the base fails", to: &slothttp.Transport{Base: roundTrip(func(r *http.Request) (*http.Response, error) {
			r.Body.Close()
			return nil, failed
		})}, err: failed},
		{name: "the base panics", to: &slothttp.Transport{Base: roundTrip(func(r *http.Request) (*http.Response, error) {
			r.Body.Close()
			panic("boom")
		})}, panic: "boom"},
		{name: "the key panics", to: &slothttp.Transport{Base: sends, Key: func(*http.Request) string { panic("key") }}, panic: "key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := slottest.NewBreakable(slot.NewLocal(1))
			if tc.setUp != nil {
				tc.setUp(src)
			}
			tr := &slothttp.Transport{Base: tc.to.Base, Key: tc.to.Key, Source: src}
			if tr.Key == nil {
				tr.Key = always("k")
			}
			body := &bodyOf{}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://k/", body)
			require.NoError(t, err)
			before := *req
			var resp *http.Response
			send := func() { resp, err = tr.RoundTrip(req) }
			if tc.panic != nil {
				require.PanicsWithValue(t, tc.panic, send)
			} else {
				send()
				require.ErrorIs(t, err, tc.err)
			}
			if tc.err != nil {
				require.ErrorContains(t, err, tc.text)
			}
			require.Equal(t, before, *req)
			if resp != nil {
				require.Same(t, req, resp.Request)
			}
			require.Equal(t, 1, body.closed)
			src.Heal()
			require.Equal(t, 1, free(t, src))
		})
	}
}

func TestATransportWithoutAProperSourceSaysSo(t *testing.T) {
	for want, tr := range map[string]*slothttp.Transport{
		"the transport has no Source":                              {},
		"a local source of 0 slots: the number must be at least 1": {Source: slot.NewLocal(0)},
		`slothttp: no slot of "example.com": slot: closed`:         {Source: closed(t)},
		"slot: MinHold of 0s: the time must be positive":           {Source: slot.MinHold(slot.NewLocal(1), 0)},
		"PauseAtMost is -1s: give a time above 0":                  {Source: slot.NewLocal(1), PauseAtMost: -time.Second},
	} {
		body := &bodyOf{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/", body)
		require.NoError(t, err)
		_, err = tr.RoundTrip(req)
		require.ErrorContains(t, err, want)
		require.Equal(t, 1, body.closed)
	}
}

func closed(t *testing.T) slot.Source {
	src := slot.NewLocal(1)
	require.NoError(t, src.Close(t.Context()))
	return src
}

func TestTheDefaultKeyIsTheHostHoweverItIsSpelt(t *testing.T) {
	for url, want := range map[string]string{
		"http://example.com/a":       "example.com",
		"http://Example.COM:80/b":    "example.com",
		"https://example.com.:443/c": "example.com",
		"HTTPS://user@example.com":   "example.com",
		"https://example.com:80/":    "example.com:80",
		"http://[::1]:8080/":         "[::1]:8080",
		"http://[::1]/":              "::1",
		"/without":                   "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		require.Equal(t, want, slothttp.Host(req), url)
	}
	require.Empty(t, slothttp.Host(&http.Request{}))
}

func TestIdleConnectionsOfTheBaseAreClosed(t *testing.T) {
	onEachProtocol(t, 1, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, s *site) {
		base := &idleCounter{RoundTripper: s.seen.base}
		s.client.Transport = &slothttp.Transport{Base: base, Source: s.src}
		s.client.CloseIdleConnections()
		require.Equal(t, 1, base.calls)
		(&slothttp.Transport{Base: roundTrip(nil)}).CloseIdleConnections() // which cannot
	})
}

type idleCounter struct {
	http.RoundTripper
	calls int
}

func (c *idleCounter) CloseIdleConnections() { c.calls++ }
