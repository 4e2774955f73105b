package slothttp

import (
	"log/slog"
	"sync"
	"time"
)

// saidEvery is how often the same is said: the cause of one warning is most often
// that of thousands.
const saidEvery = time.Minute

// A rarely tells a person what no caller is told, once a minute at most.
type rarely struct {
	mu   sync.Mutex // guards said; nothing is logged while it is held
	said time.Time
}

// warn writes to the logger that is the default now.
func (r *rarely) warn(msg string, args ...any) {
	if r.isTime(time.Now()) {
		slog.Default().Warn(msg, args...)
	}
}

func (r *rarely) isTime(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.said.IsZero() && now.Sub(r.said) < saidEvery {
		return false
	}
	r.said = now
	return true
}
