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
//
// Invariant: no method tells of an unended context when one of those that it was
// made of had ended before the call.
type Context struct {
	context.Context // its end, as the standard library's contexts see it
	cancel          context.CancelCauseFunc
	once            sync.Once

	outside bool              // its parent, which is no Context, can end it without Cancel
	others  []context.Context // it ends with these as well; fixed when it is made
	values  context.Context   // where values and a deadline are looked up too; nil: nowhere

	// mu guards what follows. No context is called while it is held.
	mu     sync.Mutex
	joined *link         // the Contexts that end with this one
	left   bool          // it has ended, and nobody joins or is followed any more
	links  []*link       // its places with those that it ends with
	stops  []func() bool // end what context.AfterFunc began
}

// New returns a context that ends with Cancel alone.
func New() *Context { return child(context.Background()) }

// Join returns a context without values that ends with each of parts, with its
// cause: in the same call for a Context, and for one other context, the first.
// Of further ones it learns a moment later, unless somebody asks it first.
// Cancel has to be called in the end.
func Join(parts ...context.Context) *Context {
	parent := context.Background()
	for _, part := range parts {
		if isOutside(part) {
			parent = part
			break
		}
	}
	c := child(parent)
	c.outside = parent.Done() != nil
	for _, part := range parts {
		c.follow(part, part == parent)
	}
	return c
}

// Under returns a child of slot, which ends in the call that ends slot, that
// ends with ctx as well and has its values and its deadline. If ctx is no Context
// its end may be told a moment late to who waits, but not to who asks. Cancel has
// to be called in the end.
func Under(slot, ctx context.Context) *Context {
	c := child(slot)
	c.outside, c.values = true, ctx
	c.follow(ctx, false)
	return c
}

func child(parent context.Context) *Context {
	c := &Context{}
	c.Context, c.cancel = context.WithCancelCause(parent)
	return c
}

// isOutside reports whether ctx can end without telling the Contexts that are
// joined to it.
func isOutside(ctx context.Context) bool {
	c, ours := ctx.(*Context)
	return !ours || c.outside
}

// follow has c end with other. Of its parent the standard library tells it.
func (c *Context) follow(other context.Context, isParent bool) {
	if !isParent {
		c.others = append(c.others, other)
	}
	if o, ours := other.(*Context); ours && !o.join(c) {
		c.Cancel(context.Cause(o))
	}
	if !isParent && isOutside(other) && other.Done() != nil {
		c.onCancel(context.AfterFunc(other, func() { c.Cancel(context.Cause(other)) }))
		c.look()
	}
}

// onCancel has stop called when c ends.
func (c *Context) onCancel(stop func() bool) {
	c.mu.Lock()
	left := c.left
	if !left {
		c.stops = append(c.stops, stop)
	}
	c.mu.Unlock()
	if left {
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

// look ends the context if one of those that it follows has ended.
func (c *Context) look() {
	if c.Context.Err() != nil {
		return
	}
	for _, other := range c.others {
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

// Err returns why the context has ended, as context.Canceled or
// context.DeadlineExceeded, or nil.
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
