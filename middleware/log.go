package middleware

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// Log writes one line for each attempt, when it ends: the job's name and key,
// the attempt's number, how long it took, whether its slot was reused, and the
// error.
//
//	Info   the attempt succeeded, its job was cancelled, or it was put off (with the wait)
//	Warn   it is retried (with the wait), or its slot was lost
//	Error  it failed for good, panicked or called runtime.Goexit
//
// In the chain: outermost, where it sees what the pool sees: the retry that
// [Retry] asked for, and that a job is put off because [CircuitBreaker] refused it. Inside Retry it cannot
// tell which failure is the last.
func Log(logger *slog.Logger) pool.Middleware {
	if logger == nil {
		return misuse("Log: the logger is nil")
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) (err error) {
			begin := time.Now()
			line := attemptLine{level: slog.LevelError, text: "job panicked or called runtime.Goexit"} // stays so if next does not return
			defer func() { line.write(ctx, logger, time.Since(begin)) }()
			err = next(ctx)
			line = lineFor(ctx, err)
			return err
		}
	}
}

type attemptLine struct {
	level slog.Level
	text  string
	err   error
	retry bool
	wait  time.Duration // where retry
}

// lineFor chooses the line by how the attempt ended.
func lineFor(ctx context.Context, err error) attemptLine {
	wait, reason, retry := pool.AsRetry(err)
	lost := errors.Is(err, slot.ErrLost) || errors.Is(context.Cause(ctx), slot.ErrLost)
	switch {
	case err == nil:
		return attemptLine{level: slog.LevelInfo, text: "job succeeded"}
	case retry && reason == nil:
		return attemptLine{level: slog.LevelInfo, text: "job is put off", err: errors.Unwrap(err), retry: true, wait: wait}
	case retry:
		return attemptLine{level: slog.LevelWarn, text: "job will be retried", err: reason, retry: true, wait: wait}
	case lost:
		return attemptLine{level: slog.LevelWarn, text: "job lost its slot", err: err}
	case ctx.Err() != nil:
		return attemptLine{level: slog.LevelInfo, text: "job cancelled", err: err}
	default:
		return attemptLine{level: slog.LevelError, text: "job failed", err: err}
	}
}

func (l attemptLine) write(ctx context.Context, logger *slog.Logger, took time.Duration) {
	if !logger.Enabled(ctx, l.level) {
		return
	}
	attrs := make([]slog.Attr, 0, 8)
	if info, ok := pool.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("job", info.Name), slog.String("key", info.Key),
			slog.Int("attempt", info.Attempt), slog.Bool("slot_reused", info.Reused))
	}
	attrs = append(attrs, slog.Duration("took", took))
	if l.retry {
		attrs = append(attrs, slog.Duration("retry_in", l.wait))
	}
	if l.err != nil {
		attrs = append(attrs, slog.String("error", l.err.Error()))
	}
	logger.LogAttrs(ctx, l.level, l.text, attrs...)
}
