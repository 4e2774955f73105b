package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// withPool runs a test in a bubble with a pool, which it shuts down.
func withPool(t *testing.T, workers int, test func(t *testing.T, p *Pool), opts ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := New(workers, opts...)
		require.NoError(t, err)
		defer func() { require.NoError(t, p.Shutdown(context.Background())) }()
		test(t, p)
	})
}

var errBad = errors.New("bad")

func TestCallReturnsWhatItsFunctionReturns(t *testing.T) {
	withPool(t, 2, func(t *testing.T, p *Pool) {
		good := Call(t.Context(), p, func(context.Context) (int, error) { return 7, nil })
		bad := Call(t.Context(), p, func(context.Context) (string, error) { return "half", errBad }, Name("n"))
		n, err := good.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, n)
		text, err := bad.Wait(t.Context())
		require.ErrorIs(t, err, errBad)
		require.Equal(t, "half", text)
		require.Equal(t, StateDone, bad.State())
		require.ErrorIs(t, bad.Err(), errBad)
	})
}

func TestAWaitForACallThatEndsEarlyHasNoValue(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		attempts := 0
		r := Call(t.Context(), p, func(context.Context) (int, error) {
			if attempts++; attempts == 1 {
				return 1, RetryAfter(time.Minute, errBad)
			}
			return 2, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n, err := r.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, n)
		n, err = r.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

func TestTheValueOfAnAttemptThatWasRetriedIsForgotten(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		attempts := 0
		r := Call(t.Context(), p, func(context.Context) (int, error) {
			if attempts++; attempts == 1 {
				return 7, RetryAfter(time.Second, errBad)
			}
			panic("boom")
		})
		n, err := r.Wait(t.Context())
		var panicked *PanicError
		require.ErrorAs(t, err, &panicked)
		require.Zero(t, n)
	})
}

func TestACallWithoutAFunctionIsRefused(t *testing.T) {
	withPool(t, 1, func(t *testing.T, p *Pool) {
		_, err := Call[int](t.Context(), p, nil).Wait(t.Context())
		require.ErrorIs(t, err, ErrNilJob)
	})
}
