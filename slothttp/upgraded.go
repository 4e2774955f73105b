package slothttp

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/berth-go/berth/internal/linkctx"
)

// An upgraded is the caller's handle of a connection that speaks another protocol
// now. The end of what is read does not end it: there may be something to write.
type upgraded struct{ conn *connection }

func newUpgraded(h *holding, rwc io.ReadWriteCloser) *upgraded {
	// The caller owns the connection, so the request's context has no say any more.
	c := &connection{holding: &holding{slot: h.slot, ctx: linkctx.Join(h.slot.Context())}, rwc: rwc}
	u := &upgraded{c}
	c.unwatch = context.AfterFunc(c.ctx, c.contextEnded)
	runtime.AddCleanup(u, (*holding).forget, c.holding)
	return u
}

func (u *upgraded) Read(p []byte) (int, error) {
	defer runtime.KeepAlive(u)
	n, err := u.conn.rwc.Read(p)
	return n, u.conn.explain(err)
}

func (u *upgraded) Write(p []byte) (int, error) {
	defer runtime.KeepAlive(u)
	n, err := u.conn.rwc.Write(p)
	return n, u.conn.explain(err)
}

// CloseWrite closes the direction that is written, where the connection can.
func (u *upgraded) CloseWrite() error {
	defer runtime.KeepAlive(u)
	if c, ok := u.conn.rwc.(interface{ CloseWrite() error }); ok {
		return u.conn.explain(c.CloseWrite())
	}
	return errors.ErrUnsupported
}

// Close closes the connection and gives the slot back.
func (u *upgraded) Close() error {
	defer runtime.KeepAlive(u)
	u.conn.unwatch()
	return u.conn.end()
}

// A connection is one that was upgraded, and the slot that it holds.
type connection struct {
	*holding
	rwc     io.ReadWriteCloser
	unwatch func() bool

	once     sync.Once
	closeErr error // of rwc; written inside once
}

// contextEnded closes the connection, which ends what is in flight there.
func (c *connection) contextEnded() {
	_ = c.end()
	if errors.Is(context.Cause(c.ctx), errForgotten) {
		sayForgotten(c.slot.Info().Key)
	}
}

func (c *connection) end() error {
	c.once.Do(func() {
		defer c.release()
		c.closeErr = c.rwc.Close()
	})
	return c.closeErr
}
