package slothttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/retryafter"
	"github.com/berth-go/berth/slot"
)

var _ http.RoundTripper = (*Transport)(nil)

// A Transport is an http.RoundTripper that holds a slot for each request, see the
// documentation of the package for how long. It is safe for concurrent use; its
// fields must not be changed while it is used.
type Transport struct {
	// Base sends the requests. The default is http.DefaultTransport. It must heed
	// the context of a request, as a round tripper should: that context ends when
	// the slot is lost.
	Base http.RoundTripper

	// Source grants the slots, and has to be given. The transport does not close it.
	Source slot.Source

	// Key says which slot a request needs. The default is [Host]. It must not
	// change the request.
	Key func(*http.Request) string

	// PauseAtMost, where it is above 0, has the key of a request paused that is
	// answered 429 or 503 with a Retry-After, until then but for this long at most,
	// for everybody who claims slots of it: see the documentation of the package.
	// Without an administrator's rights engines allow [slot.MaxPause].
	PauseAtMost time.Duration

	// OnPause, where it is there, is told of each such answer by which the pause of
	// a key gets longer: for how long the key is paused from now on, and why this
	// transport alone keeps to it, which is nil if everybody does. Without it
	// package log/slog is told what goes wrong.
	OnPause func(key string, d time.Duration, err error)

	pausing sync.Once
	keeper  *retryafter.Keeper // made by the first request, if there are to be pauses
}

// RoundTrip waits for a slot, however long that takes, and sends the request under
// it. The wait ends with the context of the request; an http.Client's Timeout
// includes it. The request's body has not been read then, and is closed.
//
// The error is the base transport's, or, where no slot was to be had, one that
// matches what the source refused it with, or the cause of the context. It matches
// slot.ErrLost if the slot was lost.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	key, s, err := t.claim(req)
	if err != nil {
		return nil, err
	}
	h := hold(req.Context(), s)
	kept := false
	defer func() {
		if !kept { // also where the base panics
			h.release()
		}
	}()
	resp, err := t.base().RoundTrip(req.WithContext(h.ctx))
	if err != nil || resp == nil {
		return nil, h.explain(err)
	}
	t.heed(req.Context(), key, resp)
	if cause := context.Cause(h.ctx); errors.Is(cause, slot.ErrLost) { // it came all the same
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		return nil, h.explain(cause)
	}
	resp, kept = h.respond(resp, req)
	return resp, nil
}

// claim waits for the slot of req, and returns its key, too. Without one it closes
// the body of req.
func (t *Transport) claim(req *http.Request) (key string, s slot.Slot, err error) {
	defer func() {
		if s == nil && req.Body != nil { // also where a function panics
			_ = req.Body.Close()
		}
	}()
	if err := t.check(); err != nil {
		return "", nil, err
	}
	ask := Host
	if t.Key != nil {
		ask = t.Key
	}
	key = ask(req)
	s, err = t.claimUnpaused(req.Context(), key)
	return key, s, err
}

func (t *Transport) check() error {
	if t.Source == nil {
		return errors.New("slothttp: the transport has no Source: give it one that grants the slots")
	}
	if t.PauseAtMost < 0 {
		return fmt.Errorf("slothttp: the transport's PauseAtMost is %v: give a time above 0, or 0 for no pauses", t.PauseAtMost)
	}
	if err := slot.Check(t.Source); err != nil {
		return fmt.Errorf("slothttp: %w", err)
	}
	return nil
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// CloseIdleConnections closes those of the base transport, if it can. An
// http.Client's method of that name calls it.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
