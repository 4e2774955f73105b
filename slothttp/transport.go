package slothttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
}

// RoundTrip waits for a slot, however long that takes, and sends the request under
// it. The wait ends with the context of the request; an http.Client's Timeout
// includes it. The request's body has not been read then, and is closed.
//
// The error is the base transport's, or, where no slot was to be had, one that
// matches what the source refused it with, or the cause of the context. It matches
// slot.ErrLost if the slot was lost.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s, err := t.claim(req)
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
	if cause := context.Cause(h.ctx); errors.Is(cause, slot.ErrLost) { // it came all the same
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		return nil, h.explain(cause)
	}
	resp, kept = h.respond(resp, req)
	return resp, nil
}

// claim waits for the slot of req. Without one it closes the body of req.
func (t *Transport) claim(req *http.Request) (s slot.Slot, err error) {
	defer func() {
		if s == nil && req.Body != nil { // also where a function panics
			_ = req.Body.Close()
		}
	}()
	if t.Source == nil {
		return nil, errors.New("slothttp: the transport has no Source: give it one that grants the slots")
	}
	if err := slot.Check(t.Source); err != nil {
		return nil, fmt.Errorf("slothttp: %w", err)
	}
	key := Host
	if t.Key != nil {
		key = t.Key
	}
	return claim(req.Context(), t.Source, key(req))
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
