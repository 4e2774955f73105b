package linkctx

import (
	"context"
	"sync"
	"time"
)

// A Context ends with Cancel and with each context that it was made of. It is
// safe for concurrent use.
//
// Invariant: when Cancel returns, this context, the Contexts joined to it, and
// what the standard library derived from any of them have ended. That holds for
// every caller of Cancel and not for the first alone: it may be another's call
// that lets somebody else have the slot.
type Context struct {
	context.Context // its end, as the standard library's contexts see it
	cancel          context.CancelCauseFunc
	once            sync.Once

	outside bool              // its parent can end it without Cancel
	late    []context.Context // it ends with these as well, and is told late; fixed when it is made
	values  context.Context   // where values and a deadline are looked up too; nil: nowhere

	// mu guards what follows. No context is called while it is held.
	mu     sync.Mutex
	joined *link         // the Contexts that end with this one
	closed bool          // it has ended: nobody joins any more
	first  link          // its place with the first Context that it ends with
	links  []*link       // and with the others
	stops  []func() bool // end what context.AfterFunc began
}

// New returns a context that ends with Cancel alone.
func New() *Context { return Join() }

// Join returns a context without values that ends with each of parts, with its
// cause: in the same call for a Context, and for one other context, the first.
// Of further ones it learns a moment later, unless somebody asks it first.
// Cancel has to be called in the end.
func Join(parts ...context.Context) *Context {
	c := &Context{}
	c.Join(parts...)
	return c
}

// Join makes of a zero Context one as the function Join returns it.
func (c *Context) Join(parts ...context.Context) {
	parent := context.Background()
	for _, part := range parts {
		if isOutside(part) {
			parent = part
			break
		}
	}
	c.descend(parent)
	for _, part := range parts {
		c.follow(part, parent)
	}
}

// Under returns a context for work under a slot. It ends in the call that ends
// slot, it ends with ctx, and it has the values and the deadline of ctx. Where
// slot is not a Context, what is derived from it learns of the end of ctx a
// moment late, and as of a cancel also where a deadline has passed; the cause is
// right. Cancel has to be called in the end.
func Under(slot, ctx context.Context) *Context {
	c := &Context{}
	parent := ctx
	if isOutside(slot) {
		parent, c.values = slot, ctx
	}
	c.descend(parent)
	c.follow(slot, parent)
	c.follow(ctx, parent)
	return c
}

// isOutside reports whether ctx can end without telling the Contexts that are
// joined to it.
func isOutside(ctx context.Context) bool {
	c, ours := ctx.(*Context)
	return !ours || c.outside
}

// descend makes c a child of parent.
func (c *Context) descend(parent context.Context) {
	c.Context, c.cancel = context.WithCancelCause(parent)
	c.outside = parent.Done() != nil
}

// follow has c end with other. Of its parent the standard library tells it.
func (c *Context) follow(other, parent context.Context) {
	if o, ours := other.(*Context); ours && !o.join(c) {
		c.Cancel(context.Cause(o))
	}
	if other == parent || !isOutside(other) || other.Done() == nil {
		return
	}
	c.late = append(c.late, other)
	c.onCancel(context.AfterFunc(other, func() { c.Cancel(context.Cause(other)) }))
	c.look()
}

// onCancel has stop called when c ends.
func (c *Context) onCancel(stop func() bool) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.stops = append(c.stops, stop)
	}
	c.mu.Unlock()
	if closed {
		stop()
	}
}

// Cancel ends the context, unless it has ended before, and returns when
// everything that is joined to it or derived from it has ended too.
func (c *Context) Cancel(cause error) {
	c.once.Do(func() {
		c.cancel(cause)
		cause := context.Cause(c.Context)
		for _, child := range c.close() {
			child.Cancel(cause)
		}
		// Only now: whoever ends another of those that it follows finds it there
		// as long as its own have not been told, and waits for that.
		c.unlink()
	})
}

// look ends the context if one of those has ended that tell it late.
func (c *Context) look() {
	if len(c.late) == 0 || c.Context.Err() != nil {
		return
	}
	for _, other := range c.late {
		if other.Err() != nil {
			c.Cancel(context.Cause(other))
			return
		}
	}
}

// Done returns a channel that is closed when the context has ended.
func (c *Context) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// Err returns nil until the context has ended.
func (c *Context) Err() error {
	c.look()
	return c.Context.Err()
}

// Deadline returns the earliest one that is known.
func (c *Context) Deadline() (time.Time, bool) {
	at, ok := c.Context.Deadline()
	if c.values == nil {
		return at, ok
	}
	other, otherOK := c.values.Deadline()
	if otherOK && (!ok || other.Before(at)) {
		return other, true
	}
	return at, ok
}

// Value asks the context's own end first: there context.Cause, and whatever the
// standard library derives from this context, finds what it has to follow.
func (c *Context) Value(key any) any {
	c.look()
	if v := c.Context.Value(key); v != nil || c.values == nil {
		return v
	}
	return c.values.Value(key)
}
