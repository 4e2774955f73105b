package slothttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// A holding is the slot of one request, with the context that the request has
// under it.
type holding struct {
	slot slot.Slot
	ctx  *linkctx.Context // ends with the slot
}

// hold returns the holding of a request whose own context is ctx.
func hold(ctx context.Context, s slot.Slot) *holding {
	return &holding{slot: s, ctx: linkctx.Under(s.Context(), ctx)}
}

// release ends the context and then gives the slot back. It is idempotent.
func (h *holding) release() {
	defer h.slot.Release()
	h.ctx.Cancel(slot.ErrReleased)
}

// explain adds to the error of a request that its slot was lost, if it was.
func (h *holding) explain(err error) error {
	if err == nil || err == io.EOF || h.ctx.Err() == nil {
		return err
	}
	cause := context.Cause(h.ctx)
	if !errors.Is(cause, slot.ErrLost) {
		return err
	}
	key := h.slot.Info().Key
	if errors.Is(err, cause) {
		return fmt.Errorf("slothttp: the slot of %q was lost while its request was under way: %w", key, err)
	}
	return fmt.Errorf("slothttp: the slot of %q was lost while its request was under way: %w: %w", key, cause, err)
}

// respond returns the response that the caller gets for that of the base
// transport, and whether its body now keeps the slot.
//
// It is a copy, for which nobody but the caller has a pointer: a base may keep its
// own for as long as the body is open, and the garbage collector could then not
// tell that the caller has dropped it.
func (h *holding) respond(got *http.Response, req *http.Request) (*http.Response, bool) {
	resp := *got
	resp.Request = req
	switch rwc, writable := got.Body.(io.ReadWriteCloser); {
	case hasNoBody(got, req):
		return &resp, false
	case got.StatusCode == http.StatusSwitchingProtocols && writable:
		resp.Body = newUpgraded(h, rwc)
	default:
		resp.Body = newBody(h, got, &resp)
	}
	return &resp, true
}

// hasNoBody reports whether there is nothing to read by the rules of HTTP, or
// because the transport says so. A length of 0 does not count: it is also what
// round tripper leaves there that does not know.
func hasNoBody(resp *http.Response, req *http.Request) bool {
	return resp.Body == nil || resp.Body == http.NoBody || req.Method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
}
