package slot

import (
	"context"
	"time"
)

// Trace is a set of functions that a source calls while it serves one claim,
// after the manner of net/http/httptrace. A nil function is not called. The
// functions run on the source's goroutines: they must be quick, must not block
// and must not call the source. A panic in one is a bug that costs no slot: package
// dflockd logs it and goes on, [Local] lets it through to whoever made the call.
type Trace struct {
	// Queued is called when the engine has put the claim in line.
	Queued func(at time.Time)
	// Granted is called when the grant was read.
	Granted func(at time.Time)
	// Confirmed is called when the slot is known to be held.
	Confirmed func(at time.Time)
	// Renewed is called after each attempt to renew the slot's lease, with
	// the time that the attempt took.
	Renewed func(took time.Duration, err error)
}

// granted tells of a grant that needs no confirmation; t may be nil.
func (t *Trace) granted(at time.Time) {
	if t == nil {
		return
	}
	if t.Granted != nil {
		t.Granted(at)
	}
	if t.Confirmed != nil {
		t.Confirmed(at)
	}
}

// queued tells of a place in line; t may be nil.
func (t *Trace) queued(at time.Time) {
	if t != nil && t.Queued != nil {
		t.Queued(at)
	}
}

type traceKey struct{}

// WithTrace returns a context whose claims call t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceFrom returns the Trace of ctx, or nil.
func TraceFrom(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}
