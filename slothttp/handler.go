package slothttp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/berth-go/berth/internal/rarely"
	"github.com/berth-go/berth/slot"
)

// ErrBusy is why a request was refused for which no slot became free in time, see
// [WithRefusal].
var ErrBusy = errors.New("no slot became free in time")

// A handler serves requests under slots.
type handler struct {
	next       http.Handler
	src        slot.Source
	key        func(*http.Request) string
	maxWait    time.Duration
	retryAfter time.Duration
	refuse     func(http.ResponseWriter, *http.Request, error)
	log        rarely.Logger // of refusals that no client can be told the reason of
}

// Handler returns a handler that calls next for each request under a slot of src,
// of the key that the function key returns. It gives the slot back when next
// returns or panics, also where next has taken over the connection. The context of
// the request that next gets ends when the slot is lost, with a cause that matches
// slot.ErrLost; next must stop then.
//
// A request waits for its slot, for 5 s at most (see [WithMaxWait]), and is then
// answered with 503 and a Retry-After. It gives up its place when its client goes:
// the server of net/http notices that in HTTP/1 only where the request has no body.
//
// All arguments have to be given; src is not closed. An error says which is wrong.
func Handler(next http.Handler, src slot.Source, key func(*http.Request) string, opts ...Option) (http.Handler, error) {
	h := &handler{next: next, src: src, key: key, maxWait: defaultMaxWait, retryAfter: defaultRetryAfter}
	h.refuse = h.answer
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("slothttp: Handler: %w", err)
	}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("slothttp: Handler: option %d is nil", i+1)
		}
		if err := opt(h); err != nil {
			return nil, fmt.Errorf("slothttp: %w", err)
		}
	}
	return h, nil
}

func (h *handler) check() error {
	switch {
	case h.next == nil:
		return errors.New("the next handler is nil")
	case h.key == nil:
		return errors.New("the function that returns a request's key is nil")
	}
	return slot.Check(h.src)
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := h.claim(r.Context(), h.key(r))
	if err != nil {
		h.turnAway(w, r, err)
		return
	}
	held := hold(r.Context(), s)
	defer held.release()
	h.next.ServeHTTP(w, r.WithContext(held.ctx))
}

// claim waits for a slot as long as a request may.
func (h *handler) claim(ctx context.Context, key string) (slot.Slot, error) {
	if h.maxWait == 0 {
		return tryClaim(ctx, h.src, key)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.maxWait, ErrBusy)
	defer cancel()
	return claim(ctx, h.src, key)
}

// tryClaim claims a slot if one is free now.
func tryClaim(ctx context.Context, src slot.Source, key string) (slot.Slot, error) {
	s, ok, err := slot.Try(ctx, src, key)
	if err == nil && !ok {
		err = ErrBusy
	}
	if err != nil {
		return nil, &claimError{key, err}
	}
	return s, nil
}

// turnAway answers a request that gets no slot, unless nobody waits for that.
func (h *handler) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	if canWait(err) {
		w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(h.retryAfter.Seconds()), 'f', 0, 64))
	}
	h.refuse(w, r, err)
}

// canWait reports whether the same request can be served later. Where this source
// is closed, another instance of the program may serve it.
func canWait(err error) bool { return !slot.IsPermanent(err) || errors.Is(err, slot.ErrClosed) }

// answer is the refusal by default. It tells a client no more than it has to know,
// since the error can name keys and servers, and a person the rest.
func (h *handler) answer(w http.ResponseWriter, _ *http.Request, err error) {
	if errors.Is(err, ErrBusy) {
		http.Error(w, "All slots for this request are taken. Try again later.", http.StatusServiceUnavailable)
		return
	}
	h.log.Warn("slothttp: requests are refused because no slot can be claimed for them: "+
		"see whether the engine of the slots can be reached and takes these keys", "error", err)
	if canWait(err) {
		http.Error(w, "No slot can be had for this request now. Try again later.", http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "No slot can be had for this request.", http.StatusInternalServerError)
}
