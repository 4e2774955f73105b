package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("it did not work")

// A bench is a pool with its recorder and its page.
type bench struct {
	*pool.Pool
	rec  *Recorder
	page http.Handler
}

func newBench(t *testing.T, workers int, recording []Option, opts ...pool.Option) *bench {
	t.Helper()
	rec, err := NewRecorder(recording...)
	require.NoError(t, err)
	p, err := pool.New(workers, append(opts, pool.WithHooks(rec.Hooks()), pool.WithLogger(nil))...)
	require.NoError(t, err)
	page, err := Handler(Pool{Name: "test", Pool: p, Recorder: rec})
	require.NoError(t, err)
	b := &bench{Pool: p, rec: rec, page: page}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Shutdown(ctx)
	})
	return b
}

// state asks for the JSON, with a query such as "?top=1".
func (b *bench) state(t *testing.T, query string) poolState {
	t.Helper()
	w := httptest.NewRecorder()
	b.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/state.json"+query, nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var s state
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	return s.Pool
}

func nothing(context.Context) error { return nil }

func sleeps(d time.Duration) pool.Job {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// times runs each job in turn, one an attempt.
func times(attempts ...pool.Job) pool.Job {
	n := 0
	return func(ctx context.Context) error {
		n++
		return attempts[n-1](ctx)
	}
}

// after fails after a time.
func after(d time.Duration, err error) pool.Job {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}
