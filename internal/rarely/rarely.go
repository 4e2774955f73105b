// Package rarely tells a person what no caller is told, without filling a log: the
// cause of one warning is most often that of thousands.
package rarely

import (
	"log/slog"
	"sync"
	"time"
)

// Every is how often a [Logger] says something at most.
const Every = time.Minute

// A Logger warns once a minute at most. The zero value is ready for use, and safe
// for concurrent use.
type Logger struct {
	mu   sync.Mutex // guards said; nothing is logged while it is held
	said time.Time
}

// Warn writes to the logger of package log/slog that is the default now.
func (l *Logger) Warn(msg string, args ...any) {
	if l.isTime(time.Now()) {
		slog.Default().Warn(msg, args...)
	}
}

// Again has the next warning said, however soon it comes.
func (l *Logger) Again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = time.Time{}
}

func (l *Logger) isTime(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.said.IsZero() && now.Sub(l.said) < Every {
		return false
	}
	l.said = now
	return true
}
