package tracing

import (
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// labels are the attributes of metrics for the keys that map to one value, made
// once, because making them costs more than counting.
type labels struct {
	attrs  []attribute.KeyValue
	add    []metric.AddOption
	record []metric.RecordOption
	all    []metric.ObserveOption
	idle   []metric.ObserveOption
	used   []metric.ObserveOption
}

func newLabels(attrs ...attribute.KeyValue) *labels {
	set := metric.WithAttributeSet(attribute.NewSet(slices.Clone(attrs)...))
	state := func(s string) []metric.ObserveOption {
		with := append(slices.Clone(attrs), attribute.String(AttrState, s))
		return []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(with...))}
	}
	return &labels{
		attrs:  attrs,
		add:    []metric.AddOption{set},
		record: []metric.RecordOption{set},
		all:    []metric.ObserveOption{set},
		idle:   state(StateIdle),
		used:   state(StateUsed),
	}
}

// failed is l.record with the kind of err, or l.record if err is nil.
func (l *labels) failed(err error) []metric.RecordOption {
	if err == nil {
		return l.record
	}
	with := append(slices.Clone(l.attrs), attribute.String(AttrErrorType, errorType(err)))
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(with...))}
}

// labelCache finds the labels of a key.
type labelCache struct {
	base   []attribute.KeyValue
	label  func(key string) string // nil: all keys share plain
	plain  *labels
	mu     sync.RWMutex // guards byName; nothing blocks while it is held
	byName map[string]*labels
}

func newLabelCache(c *config, base []attribute.KeyValue) *labelCache {
	return &labelCache{base: base, label: c.keyLabel, plain: newLabels(base...), byName: make(map[string]*labels)}
}

func (c *labelCache) of(key string) *labels {
	if c.label == nil {
		return c.plain
	}
	name := ""
	guard("the function of WithKeyAttribute", func() { name = c.label(key) })
	c.mu.RLock()
	l := c.byName[name]
	c.mu.RUnlock()
	if l != nil {
		return l
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l = c.byName[name]; l == nil {
		l = newLabels(append(slices.Clone(c.base), attribute.String(AttrKey, name))...)
		c.byName[name] = l
	}
	return l
}
