package dflockd

import "context"

// An underContext is a child of a slot's context that carries the values of its
// user's and ends with that one, too.
//
// Invariant: when the slot's context has ended, so have this one and all that are
// made from it: they are its children. The end of the user's context is told by a
// goroutine, hence a moment late, to those who wait and do not ask.
type underContext struct {
	context.Context // a child of the slot's, which carries no values
	user            context.Context
	cancel          context.CancelCauseFunc
}

// runUnder runs fn with a context that ends when the slot or ctx does.
func runUnder(ctx, held context.Context, fn func(context.Context) error) error {
	child, cancel := context.WithCancelCause(held)
	u := &underContext{child, ctx, cancel}
	defer cancel(context.Canceled)
	stop := context.AfterFunc(ctx, u.look)
	defer stop()
	return fn(u)
}

// look ends the context if the user's has ended.
func (u *underContext) look() {
	if u.user.Err() != nil {
		u.cancel(context.Cause(u.user))
	}
}

func (u *underContext) Done() <-chan struct{} {
	u.look()
	return u.Context.Done()
}

func (u *underContext) Err() error {
	u.look()
	return u.Context.Err()
}

// Value serves context.Cause and contexts that are made from this one, too: they
// find in it the context that they have to follow.
func (u *underContext) Value(key any) any {
	u.look()
	if v := u.Context.Value(key); v != nil {
		return v
	}
	return u.user.Value(key)
}
