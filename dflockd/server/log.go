package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// limitedLog logs what can repeat at most once a second for each message, and
// says then how often it was silent.
type limitedLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards last
	last map[string]*repeated
}

type repeated struct {
	at      time.Time
	skipped int
}

func newLimitedLog(l *slog.Logger) *limitedLog {
	return &limitedLog{log: l, last: map[string]*repeated{}}
}

// info logs what happens once.
func (l *limitedLog) info(msg string, args ...any) { l.log.Info(msg, args...) }

// warn logs what can repeat. msg is constant, so that last stays small.
func (l *limitedLog) warn(msg string, args ...any) { l.limited(slog.LevelWarn, msg, args) }

// debug is warn at the debug level.
func (l *limitedLog) debug(msg string, args ...any) { l.limited(slog.LevelDebug, msg, args) }

func (l *limitedLog) limited(level slog.Level, msg string, args []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	skipped, ok := l.admit(msg)
	if !ok {
		return
	}
	if skipped > 0 {
		args = append(args, "not_logged", skipped)
	}
	l.log.Log(context.Background(), level, msg, args...)
}

func (l *limitedLog) admit(msg string) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.last[msg]
	now := time.Now()
	switch {
	case r == nil:
		l.last[msg] = &repeated{at: now}
		return 0, true
	case now.Sub(r.at) < time.Second:
		r.skipped++
		return 0, false
	}
	skipped = r.skipped
	*r = repeated{at: now}
	return skipped, true
}
