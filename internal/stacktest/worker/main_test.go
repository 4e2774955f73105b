package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/slot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said returns what a worker wrote, with times as milliseconds since begin.
func said(t *testing.T, text string, begin time.Time) (lines []string) {
	for line := range strings.Lines(text) {
		var what string
		var job, nanos int64
		_, err := fmt.Sscan(line, &what, &job, &nanos)
		require.NoError(t, err)
		lines = append(lines, fmt.Sprint(what, " ", job, " ", time.Unix(0, nanos).Sub(begin).Milliseconds()))
	}
	return lines
}

func TestWorkerSaysWhatItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		begin := time.Now()
		w := &worker{src: slot.NewLocal(1), out: &out, step: 10 * time.Millisecond, steps: 2}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		w.work(ctx)
		require.Equal(t, []string{
			"begin 1 0", "step 1 10", "step 1 20", "end 1 20",
			"begin 2 20", "step 2 30", "step 2 40", "end 2 40",
		}, said(t, out.String(), begin))
	})
}

func TestWorkerStopsWithItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		begin := time.Now()
		src := slot.NewLocal(1)
		w := &worker{src: src, out: &out, step: 10 * time.Millisecond, steps: 9}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(15*time.Millisecond, func() {
			cancel(errEnd)
			_ = src.Close(t.Context())
		})
		w.work(ctx)
		require.Equal(t, []string{"begin 1 0", "step 1 10", "lost 1 15"}, said(t, out.String(), begin))
		require.True(t, errors.Is(context.Cause(ctx), errEnd))
	})
}
