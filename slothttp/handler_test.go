package slothttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/slothttp"
)

// handle returns a handler of slots of the key "k".
func handle(t *testing.T, src slot.Source, next http.HandlerFunc, opts ...slothttp.Option) http.Handler {
	t.Helper()
	h, err := slothttp.Handler(next, src, always("k"), opts...)
	require.NoError(t, err)
	return h
}

func get(ctx context.Context, h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return w
}

type valueKey struct{}

func TestARequestIsServedUnderASlotThatGoesBackAfterIt(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(2))
	var inside context.Context
	h := handle(t, src, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, 1, free(t, src))
		inside = r.Context()
		require.NoError(t, inside.Err())
		require.Equal(t, "here", inside.Value(valueKey{}))
		_, _ = io.WriteString(w, "served")
	})
	w := get(context.WithValue(t.Context(), valueKey{}, "here"), h)
	require.Equal(t, "served", w.Body.String())
	require.Equal(t, 2, free(t, src))
	require.ErrorIs(t, context.Cause(inside), slot.ErrReleased)

	h = handle(t, src, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { get(t.Context(), h) })
	require.Equal(t, 2, free(t, src))
}

func TestALostSlotEndsTheContextOfTheRequestThatIsServed(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	get(t.Context(), handle(t, src, func(_ http.ResponseWriter, r *http.Request) {
		src.Expire("k")
		require.Error(t, r.Context().Err(), "at once")
		require.ErrorIs(t, context.Cause(r.Context()), slot.ErrLost)
	}))
	require.Equal(t, 1, free(t, src))
}

func TestARequestThatGetsNoSlotInTimeIsAskedToComeBack(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  []slothttp.Option
		waits time.Duration
		after string
	}{
		{"by default", nil, 5 * time.Second, "1"},
		{"after a time", []slothttp.Option{slothttp.WithMaxWait(time.Minute), slothttp.WithRetryAfter(1500 * time.Millisecond)}, time.Minute, "2"},
		{"at once", []slothttp.Option{slothttp.WithMaxWait(0), slothttp.WithRetryAfter(time.Millisecond)}, 0, "1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.NewLocal(1)
				held, _, err := src.Try(t.Context(), "k")
				require.NoError(t, err)
				began := time.Now()
				h := handle(t, src, func(http.ResponseWriter, *http.Request) { t.Error("it was served without a slot") }, tc.opts...)
				w := get(t.Context(), h)
				require.Equal(t, tc.waits, time.Since(began))
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Equal(t, tc.after, w.Header().Get("Retry-After"))
				require.NoError(t, held.Release())
				require.Equal(t, 1, free(t, src), "the place in line was given up")
			})
		})
	}
}

func TestARequestWaitsForItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocal(1)
		held, _, err := src.Try(t.Context(), "k")
		require.NoError(t, err)
		time.AfterFunc(4*time.Second, func() { _ = held.Release() })
		served := false
		get(t.Context(), handle(t, src, func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			require.NoError(t, r.Context().Err(), "the wait is bounded, not the work")
			served = true
		}))
		require.True(t, served)
	})
}

func TestAClientThatGoesGivesUpItsPlaceInLine(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	held, err := src.Enqueue(t.Context(), "k")
	require.NoError(t, err)
	ended := make(chan bool, 1)
	inner := handle(t, src, func(http.ResponseWriter, *http.Request) { t.Error("it was served") },
		slothttp.WithMaxWait(time.Hour), slothttp.WithRefusal(func(http.ResponseWriter, *http.Request, error) { t.Error("nobody is there to be answered") }))
	arrived := make(chan bool, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		inner.ServeHTTP(w, r)
		ended <- true
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	failed := make(chan error)
	go func() {
		_, err := srv.Client().Do(req)
		failed <- err
	}()
	<-arrived
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	<-ended
	require.NoError(t, held.Close())
	require.Equal(t, 1, free(t, src))
}

func TestARefusalOfTheSourceIsSaidToAPersonAndNotToTheClient(t *testing.T) {
	never := func(http.ResponseWriter, *http.Request) { t.Error("it was served") }
	down := slottest.NewBreakable(slot.NewLocal(1))
	down.Break()
	for _, tc := range []struct {
		name  string
		src   slot.Source
		code  int
		after string
		text  string
	}{
		{"away", down, http.StatusServiceUnavailable, "1", "slot: source unavailable"},
		{"closed", closed(t), http.StatusServiceUnavailable, "1", "slot: closed"},
		{"a key that it cannot use", picky{slot.NewLocal(1)}, http.StatusInternalServerError, "", "secret name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := captureLog(t)
			h := handle(t, tc.src, never)
			for range 3 {
				w := get(t.Context(), h)
				require.Equal(t, tc.code, w.Code)
				require.Equal(t, tc.after, w.Header().Get("Retry-After"))
				require.NotContains(t, w.Body.String(), tc.text)
			}
			require.Equal(t, 1, log.lines())
			require.Contains(t, log.String(), tc.text)

			var why error
			h = handle(t, tc.src, never, slothttp.WithRefusal(func(w http.ResponseWriter, _ *http.Request, err error) {
				why = err
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			require.Equal(t, http.StatusTooManyRequests, get(t.Context(), h).Code)
			require.ErrorContains(t, why, tc.text)
			require.Equal(t, 1, log.lines(), "the function has been told")
		})
	}
}

// picky takes no key at all.
type picky struct{ slot.Source }

func (picky) Enqueue(context.Context, string) (slot.Ticket, error) {
	return nil, errors.Join(slot.ErrKey, errors.New("secret name"))
}

func TestTheFunctionThatRefusesIsToldThatAllSlotsAreTaken(t *testing.T) {
	src := slot.NewLocal(1)
	held, _, err := src.Try(t.Context(), "k")
	require.NoError(t, err)
	defer held.Release()
	var why error
	get(t.Context(), handle(t, src, nothing, slothttp.WithMaxWait(0), slothttp.WithRefusal(func(_ http.ResponseWriter, _ *http.Request, err error) { why = err })))
	require.ErrorIs(t, why, slothttp.ErrBusy)
	require.EqualError(t, why, `slothttp: no slot of "k": no slot became free in time`)
}

func nothing(http.ResponseWriter, *http.Request) {}

func TestAHandlerThatCannotWorkIsRefused(t *testing.T) {
	next, src, key := http.HandlerFunc(nothing), slot.NewLocal(1), always("k")
	refuse := func(want string, next http.Handler, src slot.Source, key func(*http.Request) string, opts ...slothttp.Option) {
		t.Helper()
		_, err := slothttp.Handler(next, src, key, opts...)
		require.EqualError(t, err, want)
	}
	refuse("slothttp: Handler: the next handler is nil", nil, src, key)
	refuse("slothttp: Handler: slot: the source is nil", next, nil, key)
	refuse("slothttp: Handler: the function that returns a request's key is nil", next, src, nil)
	refuse("slothttp: Handler: option 2 is nil", next, src, key, slothttp.WithMaxWait(1), nil)
	refuse("slothttp: WithMaxWait: -1s is negative", next, src, key, slothttp.WithMaxWait(-time.Second))
	refuse("slothttp: WithRetryAfter: 0s is not above 0", next, src, key, slothttp.WithRetryAfter(0))
	refuse("slothttp: WithRefusal: the function is nil", next, src, key, slothttp.WithRefusal(nil))
}
