package slothttp

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Defaults of the options.
const (
	defaultMaxWait    = 5 * time.Second
	defaultRetryAfter = time.Second
)

// An Option configures a [Handler]. A wrong one makes Handler return an error.
type Option func(*handler) error

// WithMaxWait sets how long a request waits for its slot (default 5 s). With 0 it
// is served if a slot is free now.
func WithMaxWait(d time.Duration) Option {
	return func(h *handler) error {
		if d < 0 {
			return fmt.Errorf("WithMaxWait: %v is negative", d)
		}
		h.maxWait = d
		return nil
	}
}

// WithRetryAfter sets after which time a client that was refused is asked to come
// back (default 1 s). It is told in whole seconds, rounded up.
func WithRetryAfter(d time.Duration) Option {
	return func(h *handler) error {
		if d <= 0 {
			return fmt.Errorf("WithRetryAfter: %v is not above 0", d)
		}
		h.retryAfter = d
		return nil
	}
}

// WithRefusal sets who answers a request that gets no slot, instead of a plain
// text with 503, or 500 where waiting cannot help (see slot.IsPermanent). The
// error says why: it matches [ErrBusy], or what the source refused the claim with.
// Where waiting can help, Retry-After is set in the header already. It is not
// called for a client that has gone.
func WithRefusal(f func(http.ResponseWriter, *http.Request, error)) Option {
	return func(h *handler) error {
		if f == nil {
			return errors.New("WithRefusal: the function is nil")
		}
		h.refuse = f
		return nil
	}
}
