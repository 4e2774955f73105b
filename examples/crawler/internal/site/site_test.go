package site

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHostIsTheFirstTwoElementsOfThePagesDirectory(t *testing.T) {
	for path, want := range map[string]string{
		"/":                      "/",
		"/VERSION":               "/",
		"/src/":                  "src",
		"/src/make.bash":         "src",
		"/src/net/":              "src/net",
		"/src/net/net.go":        "src/net",
		"/src/net/http/":         "src/net",
		"/src/net/http/x.go":     "src/net",
		"/src/net/http/a/b/c.go": "src/net",
		"":                       "/",
	} {
		require.Equal(t, want, Host(path), path)
	}
}

func TestDelaysLieInTheirRangeAndFollowTheSeed(t *testing.T) {
	shortest, longest := MaxDelay, MinDelay
	for i := range 2000 {
		path := "/" + string(rune('a'+i%26)) + time.Duration(i).String()
		d := delay(1, path)
		require.Equal(t, d, delay(1, path), "the same page, the same seed")
		shortest, longest = min(shortest, d), max(longest, d)
	}
	require.GreaterOrEqual(t, shortest, MinDelay)
	require.Less(t, shortest, MinDelay+time.Millisecond)
	require.LessOrEqual(t, longest, MaxDelay)
	require.Greater(t, longest, MaxDelay-time.Millisecond)
	require.NotEqual(t, delay(1, "/a"), delay(2, "/a"), "another seed")
}

func TestCounterKnowsPeaksTimesAndBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCounter(2)
		a := c.Arrive("a")
		time.Sleep(time.Second)
		a2 := c.Arrive("a")
		b := c.Arrive("b")
		time.Sleep(2 * time.Second)
		require.Equal(t, 3, c.InUse())
		a()
		a() // counts once
		require.Equal(t, 2, c.InUse())
		time.Sleep(time.Second)
		b()
		a2()
		time.Sleep(6 * time.Second)

		seen := c.Seen()
		require.Equal(t, Seen{
			Requests: 3, Now: 0,
			Peak: 3, PeakHost: 2, Busiest: "a",
			Full:  3 * time.Second,
			Mean:  0.9, // 1×1 s + 3×2 s + 2×1 s over 10 s
			Burst: 2, BurstHost: 1, Bursting: seen.Bursting,
		}, seen)
		require.Contains(t, "ab", seen.Bursting)
	})
}

func TestCounterKnowsForHowLongSlotsWereIdleThoughThereWasWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCounter(2)
		first := c.Arrive("a")
		second := c.Arrive("b")
		time.Sleep(time.Second)
		c.Want(true)
		time.Sleep(2 * time.Second)
		second()
		time.Sleep(3 * time.Second)
		c.Want(false)
		time.Sleep(4 * time.Second)
		first()

		seen := c.Seen()
		require.Equal(t, 3*time.Second, seen.Full)
		require.Equal(t, 5*time.Second, seen.Wanted)
		require.Equal(t, 2*time.Second, seen.Met)
	})
}

func TestBurstCountsAnyWindowOfASecondNotTheSecondsOfAClock(t *testing.T) {
	at := func(ms ...int) (times []time.Time) {
		for _, m := range ms {
			times = append(times, time.UnixMilli(int64(m)))
		}
		return times
	}
	require.Equal(t, 0, burst(nil))
	require.Equal(t, 1, burst(at(0)))
	require.Equal(t, 4, burst(at(0, 900, 950, 1100, 1800, 2900)))
	require.Equal(t, 1, burst(at(0, 1000, 2000)), "a second apart is not within a second")
}

// The answer must not be on its way while the request still counts: the client
// could release its slot, and a rival's request be one too many.
func TestRequestIsCountedOutBeforeTheFirstByteOfItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCounter(1)
		h := Handler(fstest.MapFS{"src/net/x.go": {Data: []byte("package x")}}, 1, c)
		w := &watched{ResponseRecorder: httptest.NewRecorder(), c: c, t: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, httptest.NewRequest("GET", "/src/net/x.go", nil))
		}()
		synctest.Wait()
		require.Equal(t, 1, c.InUse(), "counted while the page's delay goes on")
		<-done
		require.Equal(t, "package x", w.Body.String())
		require.Equal(t, "src/net", c.Seen().Busiest)
	})
}

type watched struct {
	*httptest.ResponseRecorder
	c *Counter
	t *testing.T
}

func (w *watched) WriteHeader(status int) {
	require.Zero(w.t, w.c.InUse())
	w.ResponseRecorder.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	require.Zero(w.t, w.c.InUse())
	return w.ResponseRecorder.Write(b)
}

func TestSiteServesFilesListingsAndNothingElse(t *testing.T) {
	s, err := Start(fstest.MapFS{"src/net/x.go": {Data: []byte("package x")}}, 1, 12)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()

	status, body := get(t, s.URL()+"src/net/x.go")
	require.Equal(t, 200, status)
	require.Equal(t, "package x", body)
	status, body = get(t, s.URL())
	require.Equal(t, 200, status)
	require.Contains(t, body, `<a href="src/">`)
	status, _ = get(t, s.URL()+"nothing")
	require.Equal(t, 404, status)

	require.NoError(t, s.Close())
	require.Equal(t, 3, s.Seen().Requests)
	require.Zero(t, s.InUse())
}

func get(t *testing.T, url string) (int, string) {
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(body)
}
