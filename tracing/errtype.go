package tracing

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// kinds are the values of error.type for the errors that berth itself gives, in
// the order in which they are looked for: what ended a job's context comes
// before what the job said about it.
var kinds = []struct {
	err  error
	kind string
}{
	{slot.ErrLost, "slot_lost"},
	{pool.ErrShutdown, "shutdown"},
	{pool.ErrGoexit, "goexit"},
	{pool.ErrClosed, "pool_closed"},
	{pool.ErrQueueFull, "queue_full"},
	{slot.ErrUnavailable, "slot_unavailable"},
	{slot.ErrKey, "slot_key"},
	{slot.ErrClosed, "slot_closed"},
	{context.DeadlineExceeded, "timeout"},
	{context.Canceled, "cancelled"},
}

// errorType is the value of error.type: a word for errors that berth knows, else
// the Go type of the error, else "_OTHER".
// It never contains text of the error, which has too many values for a metric.
func errorType(err error) string {
	var panicked *pool.PanicError
	if errors.As(err, &panicked) {
		return "panic"
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	if name := typeOf(err); name != "" {
		return name
	}
	return "_OTHER"
}

// typeOf is the name of the outermost type in err that says what went wrong, of
// joined errors the first's, or "".
func typeOf(err error) string {
	if err == nil {
		return ""
	}
	if name := reflect.TypeOf(err).String(); !anonymous(name) {
		return name
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			if name := typeOf(one); name != "" {
				return name
			}
		}
		return ""
	}
	return typeOf(errors.Unwrap(err))
}

// anonymous reports whether a type says nothing about what went wrong.
func anonymous(name string) bool {
	return strings.HasPrefix(name, "*errors.") || strings.HasPrefix(name, "*fmt.")
}

// fail notes err, if there is one, as what a span ended with: its kind, and its
// text in one line, as joined errors have several.
func fail(s trace.Span, err error) {
	if err == nil || !s.IsRecording() {
		return
	}
	s.SetStatus(codes.Error, strings.ReplaceAll(err.Error(), "\n", "; "))
	s.SetAttributes(attribute.String(AttrErrorType, errorType(err)))
}
