package tracing

import (
	"errors"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
)

// A SourceOption changes what [Tracer.Source] returns.
type SourceOption func(*sourceConfig) error

type sourceConfig struct{ name string }

// WithSourceName puts a name on the metrics of the source's slots, as the
// attribute "berth.source". Sources of one name add up. By default the first
// source of a Tracer has none, so that a program with one source has an attribute
// less, and the next ones are called "2", "3" and so on, in the order of the calls
// of Source: name them where that is not always the same.
func WithSourceName(name string) SourceOption {
	return func(c *sourceConfig) error {
		if name == "" {
			return errors.New("tracing: WithSourceName: the name is empty")
		}
		c.name = name
		return nil
	}
}

// nameSource returns the name of one more source.
func (t *Tracer) nameSource(opts []SourceOption) (string, error) {
	c := &sourceConfig{name: t.nextNumber()}
	for _, opt := range opts {
		if opt == nil {
			return "", errors.New("tracing: an option of Source is nil")
		}
		if err := opt(c); err != nil {
			return "", err
		}
	}
	return c.name, nil
}

// nextNumber returns the number of a source, "" for the first.
func (t *Tracer) nextNumber() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.numbers++; t.numbers == 1 {
		return ""
	}
	return strconv.Itoa(t.numbers)
}

// labelsOf returns the attributes of the sources of a name.
func (t *Tracer) labelsOf(name string) *labelCache {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.named[name]
	if c == nil {
		c = newLabelCache(t.cfg, append(slices.Clone(t.cfg.attrs), attribute.String(AttrSource, name)))
		t.named[name] = c
	}
	return c
}
