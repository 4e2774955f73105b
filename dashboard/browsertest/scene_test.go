//go:build linux && !race && !386

package browsertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// A site is one of those that the crawl of the still visits.
type site struct {
	key   string
	every time.Duration // between two pages, on average
	takes time.Duration // for a page, on average
}

var sites = []site{
	{"docs.example", 300 * time.Millisecond, 420 * time.Millisecond},
	{"shop.example", 330 * time.Millisecond, 640 * time.Millisecond},
	{"news.example", 700 * time.Millisecond, 350 * time.Millisecond},
	{"wiki.example", 900 * time.Millisecond, 250 * time.Millisecond},
	{"forum.example", 1500 * time.Millisecond, 900 * time.Millisecond},
	{"archive.example", 4 * time.Second, 3500 * time.Millisecond},
}

// crawled runs a crawl for five minutes, in no time and once for all tests, and
// returns what state.json has at its end.
func crawled(t *testing.T) []byte {
	if crawl == nil {
		crawl = simulate(t)
	}
	return crawl
}

var crawl []byte

func simulate(t *testing.T) (json []byte) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		src := slottest.NewBreakable(slot.NewLocalLimits(slot.LimitBy(limitOf)))
		rec, err := dashboard.NewRecorder()
		require.NoError(t, err)
		retry := middleware.Retry(middleware.MaxAttempts(4, middleware.Exponential(2*time.Second, 20*time.Second)))
		p, err := pool.New(6, pool.WithSlots(src), pool.WithHooks(rec.Hooks()), pool.Use(retry), pool.WithLogger(nil), pool.WithErrorHandler(func(error) {}))
		require.NoError(t, err)
		page, err := dashboard.Handler(dashboard.Pool{Name: "crawl", Pool: p, Recorder: rec})
		require.NoError(t, err)
		var visits sync.WaitGroup
		for i, s := range sites {
			visits.Go(func() { s.visit(ctx, p, rand.New(rand.NewPCG(uint64(i), 7))) })
		}
		time.Sleep(3*time.Minute + 48*time.Second)
		src.Expire("shop.example")
		time.Sleep(time.Minute + 8*time.Second)
		require.NoError(t, p.Go(nothing, pool.Key("mail.example"), pool.Name("/inbox")))
		time.Sleep(4*time.Second + 200*time.Millisecond)
		json = get(t, page, "/state.json?top=10")
		stop()
		visits.Wait()
		short, cancel := context.WithTimeout(context.Background(), 0)
		defer cancel()
		_ = p.Shutdown(short)
		require.NoError(t, src.Close(context.Background()))
	})
	return json
}

func nothing(context.Context) error { return nil }

// limitOf has two slots for a site. The engine does not know one of them.
func limitOf(key string) (string, int, error) {
	switch key {
	case "archive.example":
		return key, 1, nil
	case "mail.example":
		return "", 0, fmt.Errorf("%w: 10.0.0.7:6388: connection refused", slot.ErrUnavailable)
	}
	return key, 2, nil
}

var errBusy = errors.New("503 Service Unavailable")

// visit submits the pages of a site until ctx ends, more of them in the middle.
func (s site) visit(ctx context.Context, p *pool.Pool, r *rand.Rand) {
	began := time.Now()
	for n := 1; ctx.Err() == nil; n++ {
		at := time.Since(began)
		pause := time.Duration(r.ExpFloat64() * float64(s.every))
		if at > 2*time.Minute && at < 3*time.Minute {
			pause = pause * 6 / 10
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		takes := time.Duration((0.4 + r.ExpFloat64()*0.6) * float64(s.takes))
		var err error
		if r.IntN(25) == 0 {
			err = errBusy
		}
		_, _ = p.TrySubmit(fetch(takes, err), pool.Key(s.key), pool.Name(fmt.Sprintf("/page/%d", n)))
	}
}

// fetch takes its time, and fails the first time if there is an error.
func fetch(takes time.Duration, err error) pool.Job {
	return func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if info.Attempt > 1 {
			return nil
		}
		return err
	}
}

func get(t *testing.T, h http.Handler, path string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.Bytes()
}
