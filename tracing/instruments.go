package tracing

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// buckets are the bounds of all histograms, in seconds: a millisecond is what a
// claim costs on a good network, and minutes are what people wait.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// instruments are the metrics. Those that count what is there at the moment
// and that sources or pools know are observed when they are collected (see
// sourceSet and poolSet).
type instruments struct {
	slotWait   metric.Float64Histogram
	slotUse    metric.Float64Histogram
	renewTime  metric.Float64Histogram
	timeouts   metric.Int64Counter
	lost       metric.Int64Counter
	pending    metric.Int64ObservableUpDownCounter
	slotCount  metric.Int64ObservableUpDownCounter
	slotMax    metric.Int64ObservableGauge
	jobTime    metric.Float64Histogram
	queueTime  metric.Float64Histogram
	retries    metric.Int64Counter
	jobsQueued metric.Int64UpDownCounter

	poolSlots    metric.Int64ObservableUpDownCounter
	poolSlotTime metric.Float64ObservableCounter
	poolClaims   metric.Int64ObservableCounter
	poolInLine   metric.Int64ObservableUpDownCounter
	poolUnused   metric.Int64ObservableCounter
}

func newInstruments(m metric.Meter) (*instruments, error) {
	b := builder{meter: m}
	i := &instruments{
		slotWait:   b.seconds(MetricSlotWaitTime, "How long a claim waited for its slot, from being made until the slot was known to be held."),
		slotUse:    b.seconds(MetricSlotUseTime, "How long a slot was held, from its grant until it was released or lost."),
		renewTime:  b.seconds(MetricSlotRenewDuration, "How long an attempt to renew a slot's lease took."),
		timeouts:   b.counter(MetricSlotTimeouts, "{timeout}", "Claims that were given up because their deadline passed."),
		lost:       b.counter(MetricSlotLost, "{slot}", "Slots that were lost before they were released."),
		jobTime:    b.seconds(MetricJobDuration, "How long a job took, from being submitted until its result."),
		queueTime:  b.seconds(MetricJobQueueTime, "How long an attempt waited for a worker; waiting for a slot is not counted."),
		retries:    b.counter(MetricJobRetries, "{retry}", "Attempts that failed and are followed by another."),
		jobsQueued: b.upDown(MetricJobQueued, "{job}", "Jobs that wait to run: for a worker, for a slot, or until they are tried again."),
	}
	i.pending = b.observedUpDown(MetricSlotPendingRequests, "{request}", "Claims that wait for their slot.")
	i.slotCount = b.observedUpDown(MetricSlotCount, "{slot}", "Slots that are held, by whether a job runs under them.")
	i.slotMax = b.observedGauge(MetricSlotMax, "{slot}", "The limit of a key: the highest among the keys of the series.")
	i.poolSlots = b.observedUpDown(MetricPoolSlots, "{slot}", "Slots that pools have, by whether a worker has them.")
	i.poolSlotTime = b.observedSeconds(MetricPoolSlotTime, "The time for which pools have had slots, added up, by whether a job ran under them.")
	i.poolClaims = b.observedCounter(MetricPoolClaims, "{claim}", "How often pools asked for a slot.")
	i.poolInLine = b.observedUpDown(MetricPoolClaimsInLine, "{claim}", "Claims of pools that wait for their slot.")
	i.poolUnused = b.observedCounter(MetricPoolUnusedGrants, "{grant}", "Slots that pools gave back without having run a job under them.")
	return i, errors.Join(b.errs...)
}

// builder makes instruments and keeps the errors.
type builder struct {
	meter metric.Meter
	errs  []error
}

func (b *builder) note(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *builder) seconds(name, text string) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text),
		metric.WithExplicitBucketBoundaries(buckets...))
	b.note(err)
	return h
}

func (b *builder) counter(name, unit, text string) metric.Int64Counter {
	c, err := b.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return c
}

func (b *builder) upDown(name, unit, text string) metric.Int64UpDownCounter {
	c, err := b.meter.Int64UpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return c
}

func (b *builder) observedUpDown(name, unit, text string) metric.Int64ObservableUpDownCounter {
	c, err := b.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return c
}

func (b *builder) observedCounter(name, unit, text string) metric.Int64ObservableCounter {
	c, err := b.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return c
}

func (b *builder) observedSeconds(name, text string) metric.Float64ObservableCounter {
	c, err := b.meter.Float64ObservableCounter(name, metric.WithUnit("s"), metric.WithDescription(text))
	b.note(err)
	return c
}

func (b *builder) observedGauge(name, unit, text string) metric.Int64ObservableGauge {
	c, err := b.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return c
}
