package pool

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// A diary is a handler that keeps what is said.
type diary struct {
	mu    sync.Mutex // guards lines
	lines []slog.Record
}

func (d *diary) Enabled(context.Context, slog.Level) bool { return true }
func (d *diary) WithAttrs([]slog.Attr) slog.Handler       { return d }
func (d *diary) WithGroup(string) slog.Handler            { return d }

func (d *diary) Handle(_ context.Context, r slog.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, r)
	return nil
}

func (d *diary) said() []slog.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines
}

func attrs(r slog.Record) map[string]any {
	m := map[string]any{}
	r.Attrs(func(a slog.Attr) bool {
		m[a.Key] = a.Value.Any()
		return true
	})
	return m
}

// byDefault makes d what slog says, for this test.
func byDefault(t *testing.T, d *diary) {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(d))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func TestAPoolSaysByDefaultThatJobsWaitBecauseClaimsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(key string) error {
			if key == "good" {
				return nil
			}
			return slot.ErrUnavailable
		})
		p := newPool(t, 2, WithSlots(src))
		var d diary
		byDefault(t, &d) // after New: it is looked up when it is needed
		start := time.Now()
		var tasks []*Task
		for _, key := range []string{"a", "a", "b"} {
			tasks = append(tasks, p.Submit(nothing, Key(key)))
		}
		require.NoError(t, p.Submit(nothing, Key("good")).Wait(t.Context()))
		time.Sleep(900 * time.Millisecond)
		require.Empty(t, d.said(), "it may be a restart")
		time.Sleep(30 * time.Second)
		require.Len(t, d.said(), 1)
		said := attrs(d.said()[0])
		require.Contains(t, []any{"a", "b"}, said["key"])
		require.Equal(t, slot.ErrUnavailable, said["error"])
		require.Equal(t, start, said["since"])
		require.EqualValues(t, 3, said["jobs"])
		require.EqualValues(t, 2, said["keys"])
		s := p.Stats()
		require.Equal(t, 2, s.FailingKeys)
		require.Equal(t, 3, s.Stalled)
		require.Greater(t, s.FailedClaims, int64(100))
		time.Sleep(5 * time.Minute)
		require.Len(t, d.said(), 6, "once a minute")

		src.setFail(nil)
		for _, task := range tasks {
			require.NoError(t, task.Wait(t.Context()), "when the cause is gone, work goes on")
		}
		s = p.Stats()
		require.Zero(t, s.FailingKeys)
		require.Zero(t, s.Stalled)
		require.Zero(t, s.RefusedClaims)
		time.Sleep(5 * time.Minute)
		require.Len(t, d.said(), 6)
		finish(t, p)
	})
}

func TestALoggerIsToldInsteadOfTheDefaultAndNilIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var other, own diary
		byDefault(t, &other)
		for _, l := range []*slog.Logger{slog.New(&own), nil, slog.New(slog.DiscardHandler)} {
			src := newFake(1)
			src.setFail(func(string) error { return slot.ErrUnavailable })
			p := newPool(t, 1, WithSlots(src), WithLogger(l))
			task := p.Submit(nothing)
			time.Sleep(10 * time.Second)
			task.Cancel()
			finish(t, p)
		}
		require.Len(t, own.said(), 1)
		require.Empty(t, other.said())
	})
}

func TestARefusalForGoodEndsTheJobsAndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		src := newFake(1)
		src.setFail(func(string) error { return permanentError{} })
		p := newPool(t, 1, WithSlots(src), WithLogger(slog.New(&d)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorAs(t, p.Submit(nothing, Key("a")).Wait(ctx), &permanentError{})
		require.ErrorAs(t, p.Submit(nothing, Key("b")).Wait(ctx), &permanentError{})
		time.Sleep(time.Minute)
		s := p.Stats()
		require.EqualValues(t, 2, s.RefusedClaims)
		require.EqualValues(t, 2, s.FailedClaims)
		require.Zero(t, s.FailingKeys)
		require.Empty(t, d.said(), "the jobs have the error")
		src.setFail(nil)
		require.NoError(t, p.Submit(nothing, Key("a")).Wait(t.Context()), "the secret was put right")
		finish(t, p)
	})
}

func TestAFailingKeyWhoseJobsAreGoneIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(string) error { return slot.ErrUnavailable })
		p := newPool(t, 1, WithSlots(src), WithLogger(nil))
		task := p.Submit(nothing, Key("a"))
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, p.Stats().FailingKeys)
		task.Cancel()
		time.Sleep(time.Second)
		require.Zero(t, p.Stats().FailingKeys)
		finish(t, p)
	})
}
