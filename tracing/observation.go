package tracing

import (
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// An observation is a callback that exists only while there is something that it
// can observe.
type observation struct {
	meter       metric.Meter
	observe     metric.Callback
	instruments []metric.Observable

	mu           sync.Mutex // guards registration; held while the SDK is called, never by observe
	registration metric.Registration
}

// update makes the callback exist if and only if it is needed.
func (o *observation) update(needed func() bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	switch is := needed(); {
	case is && o.registration == nil:
		o.registration, err = o.meter.RegisterCallback(o.observe, o.instruments...)
	case !is && o.registration != nil:
		err = o.registration.Unregister()
		o.registration = nil
	}
	if err != nil {
		otel.Handle(err) // spans and the other metrics work without it
	}
}
