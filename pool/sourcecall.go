package pool

import (
	"fmt"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/slot"
)

// This file has what becomes of a source that panics, or calls runtime.Goexit. That
// cannot be stopped where a source is called on the goroutine of a worker, so what
// has to follow is deferred, and another goroutine takes the worker over.

// errSourceGoexit is why a claim failed whose source ended the goroutine.
var errSourceGoexit = fmt.Errorf("%w: it called runtime.Goexit", ErrSourcePanic)

// sourcePanic is the error of a source that panicked.
func sourcePanic(value any) error {
	r := panics.NewRecovered(2, value)
	return fmt.Errorf("%w: %w", ErrSourcePanic, newPanicError(&r))
}

// guard is deferred around a call of a source, and calls failed unless that
// returned. After a panic whoever deferred it returns; a Goexit goes on.
func guard(returned *bool, failed func(error)) {
	if r := recover(); r != nil {
		failed(sourcePanic(r))
	} else if !*returned {
		failed(errSourceGoexit)
	}
}

// quietly calls a source that has failed before: what it does now tells nothing new.
func quietly(f func() error) {
	contained(func() {
		defer func() { _ = recover() }()
		_ = f()
	})
}

// closeTicket leaves the line for a claim that failed, if it is there.
func closeTicket(t slot.Ticket) {
	if t != nil {
		quietly(t.Close)
	}
}

// abandon leaves the slot to its lease, if its source can do that.
func (h *hold) abandon() {
	if a, ok := h.slot.(slot.Abandoner); ok {
		contained(func() {
			defer h.p.caught()
			a.Abandon()
		})
	}
}
