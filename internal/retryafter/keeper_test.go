package retryafter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// An engine does with pauses what a test says.
type engine struct {
	slot.Source
	pause func(ctx context.Context, key string, d time.Duration) error
}

func (e *engine) Pause(ctx context.Context, key string, d time.Duration) error {
	return e.pause(ctx, key, d)
}

func (*engine) Revoke(context.Context, string, string) error { return errors.ErrUnsupported }

// A keeping is a Keeper of a test, with what it asks its engine for and what it tells.
type keeping struct {
	*Keeper
	mu      sync.Mutex // guards what follows
	answer  error
	asked   []time.Duration
	told    []time.Duration
	refused []error // with each of told
}

func newKeeping() *keeping {
	k := &keeping{}
	k.Keeper = NewKeeper(Config{
		Source: &engine{slot.NewLocal(1), func(_ context.Context, _ string, d time.Duration) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.asked = append(k.asked, d)
			return k.answer
		}},
		Longest: time.Minute, Within: time.Second,
		Tell: func(_ string, d time.Duration, err error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.told, k.refused = append(k.told, d), append(k.refused, err)
		},
	})
	return k
}

func TestAPauseIsAsLongAsTheServerSaysWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		require.True(t, k.Idle())
		k.Pause(t.Context(), "k", 0)
		require.True(t, k.Idle())
		require.Empty(t, k.asked)

		k.Pause(t.Context(), "k", 10*time.Second)
		require.Equal(t, 10*time.Second, k.Left("k"))
		require.Zero(t, k.Left("other"))
		time.Sleep(10*time.Second - 1)
		require.EqualValues(t, 1, k.Left("k"))
		time.Sleep(time.Nanosecond)
		require.Zero(t, k.Left("k"))

		k.Pause(t.Context(), "k", time.Hour)
		require.Equal(t, time.Minute, k.Left("k"))
		require.Equal(t, []time.Duration{10 * time.Second, time.Minute}, k.asked)
		require.Equal(t, k.asked, k.told)
		require.Equal(t, []error{nil, nil}, k.refused)
	})
}

func TestAShorterPauseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		k.Pause(t.Context(), "k", 30*time.Second)
		k.Pause(t.Context(), "k", 10*time.Second)
		require.Equal(t, 30*time.Second, k.Left("k"))
		require.Equal(t, []time.Duration{30 * time.Second}, k.asked, "the engine knows")
		time.Sleep(5 * time.Second)
		k.Pause(t.Context(), "k", 30*time.Second)
		require.Equal(t, 30*time.Second, k.Left("k"))
		require.Len(t, k.told, 2)
	})
}

func TestWordsOfOneMomentAskTheEngineOnceAndKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		answer := make(chan struct{})
		k.cfg.Source.(*engine).pause = func(context.Context, string, time.Duration) error {
			k.asked = append(k.asked, 0)
			<-answer
			return nil
		}
		var asking sync.WaitGroup
		asking.Go(func() { k.Pause(t.Context(), "k", 10*time.Second) })
		synctest.Wait()
		for range 10 {
			k.Pause(t.Context(), "k", 10*time.Second)
		}
		close(answer)
		asking.Wait()
		require.Len(t, k.asked, 1)
		require.Equal(t, []time.Duration{10 * time.Second}, k.told)
	})
}

func TestAPauseThatTheEngineDidNotTakeIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		k.answer = slot.ErrUnavailable
		k.Pause(t.Context(), "k", 30*time.Second)
		require.Equal(t, 30*time.Second, k.Left("k"), "this process keeps to it")
		k.answer = nil
		k.Pause(t.Context(), "k", 10*time.Second)
		require.Equal(t, []time.Duration{30 * time.Second, 10 * time.Second}, k.asked)
		require.Equal(t, []error{slot.ErrUnavailable, nil}, k.refused)
		require.Equal(t, 30*time.Second, k.Left("k"))
	})
}

func TestAnEngineThatDoesNotAnswerIsNotWaitedForLongerThanSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		k.cfg.Source.(*engine).pause = func(ctx context.Context, _ string, _ time.Duration) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		start := time.Now()
		k.Pause(t.Context(), "k", 30*time.Second)
		require.Equal(t, time.Second, time.Since(start))
		require.EqualError(t, k.refused[0], "the engine has not answered within 1s")
		require.Equal(t, 29*time.Second, k.told[0], "from now on")
		require.Equal(t, 29*time.Second, k.Left("k"))

		impatient, leave := context.WithTimeout(t.Context(), time.Second/2)
		defer leave()
		k.Pause(impatient, "k", 30*time.Second)
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
		require.ErrorIs(t, k.refused[1], context.DeadlineExceeded)
		require.Equal(t, 29500*time.Millisecond, k.Left("k"))
	})
}

func TestPausesThatHaveEndedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		for i := range 100 {
			k.Pause(t.Context(), strings.Repeat("k", i+1), time.Second)
		}
		require.Len(t, k.pauses, 100)
		time.Sleep(time.Second)
		k.Pause(t.Context(), "k", time.Second)
		require.Len(t, k.pauses, 1)
		time.Sleep(time.Second)
		require.False(t, k.Idle())
		require.Zero(t, k.Left("k"))
		require.True(t, k.Idle())
	})
}

func TestAPauseThatIsNotTakenIsLoggedWhereNobodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
		defer slog.SetDefault(before)
		k := newKeeping()
		k.cfg.Tell = nil
		pauseOften := func(answer error) {
			said.Reset()
			k.answer = answer
			for range 90 {
				k.Pause(t.Context(), "k", time.Second)
				time.Sleep(time.Second)
			}
		}
		pauseOften(nil)
		require.Empty(t, said.String())
		pauseOften(slot.ErrNotAllowed)
		require.Equal(t, 2, strings.Count(said.String(), "did not pause the key"), "once a minute")
		require.Contains(t, said.String(), `key=k for=1s error="slot: not allowed"`)
		pauseOften(errors.ErrUnsupported)
		require.Equal(t, 1, strings.Count(said.String(), "cannot pause a key"), "once")
		pauseOften(errors.ErrUnsupported)
		require.Empty(t, said.String())
	})
}
