package slot

import "context"

// A linkedContext is a child of one context that ends as well when any of
// several others does, with its cause.
//
// context.AfterFunc alone would end it a moment late, on a goroutine of its own,
// and in that moment somebody else could be granted the slot behind the one
// that ended. So whoever asks this context looks at the others first.
//
// Invariant: no method tells of an unended context when one of the linked ones
// has ended before the call.
type linkedContext struct {
	context.Context // its own end
	cancel          context.CancelCauseFunc
	links           []context.Context // never written after newLinkedContext
}

// newLinkedContext returns a context that has to be ended with cancel. Whoever
// makes it also arranges that look is called when a link ends, for those who
// wait and do not ask.
func newLinkedContext(parent context.Context, links ...context.Context) *linkedContext {
	c := &linkedContext{links: links}
	c.Context, c.cancel = context.WithCancelCause(parent)
	return c
}

// look ends the context if one of the others has ended.
func (c *linkedContext) look() {
	for _, link := range c.links {
		if link.Err() != nil {
			c.cancel(context.Cause(link))
			return
		}
	}
}

func (c *linkedContext) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

func (c *linkedContext) Err() error {
	c.look()
	return c.Context.Err()
}

// Value serves context.Cause, and contexts that are made from this one, which
// find in it the context that they have to follow.
func (c *linkedContext) Value(key any) any {
	c.look()
	return c.Context.Value(key)
}
