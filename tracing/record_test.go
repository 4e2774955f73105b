package tracing_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/internal/version"
	"github.com/berth-go/berth/tracing"
)

// A recorder keeps what a Tracer reports.
type recorder struct {
	*tracing.Tracer
	t       *testing.T
	begin   time.Time
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
	reader  *metric.ManualReader
}

func record(t *testing.T, opts ...tracing.Option) *recorder {
	r := &recorder{t: t, begin: time.Now(), spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	r.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	meters := metric.NewMeterProvider(metric.WithReader(r.reader))
	tracer, err := tracing.New(append([]tracing.Option{
		tracing.WithTracerProvider(r.tracers), tracing.WithMeterProvider(meters)}, opts...)...)
	require.NoError(t, err)
	r.Tracer = tracer
	return r
}

// user begins a span as a user of berth would.
func (r *recorder) user(name string) (context.Context, trace.Span) {
	return r.tracers.Tracer("user").Start(context.Background(), name)
}

// trees writes down all spans that have ended, one a line, children below their
// parent: name, begin and end since the recorder was made, attributes, status,
// links (→) and events (!).
func (r *recorder) trees() string {
	require.Len(r.t, r.spans.Ended(), len(r.spans.Started()), "every span has ended")
	w := treeWriter{begin: r.begin, spans: slices.Clone(r.spans.Ended())}
	slices.SortStableFunc(w.spans, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(a.StartTime().Compare(b.StartTime()), cmp.Compare(rank(a), rank(b)), a.EndTime().Compare(b.EndTime()))
	})
	w.label()
	w.write(trace.SpanID{}, "")
	return w.out.String()
}

// rank orders spans that begin together as they follow each other.
func rank(s sdktrace.ReadOnlySpan) int {
	return slices.Index([]string{tracing.SpanJob, tracing.SpanQueue, tracing.SpanAcquire, tracing.SpanHold, tracing.SpanRun}, s.Name())
}

type treeWriter struct {
	begin  time.Time
	spans  []sdktrace.ReadOnlySpan
	labels map[trace.SpanID]string // run 1, run 2, …
	out    strings.Builder
}

func (w *treeWriter) label() {
	w.labels = make(map[trace.SpanID]string)
	count := make(map[string]int)
	for _, s := range w.spans {
		count[s.Name()]++
		w.labels[s.SpanContext().SpanID()] = fmt.Sprint(s.Name(), " ", count[s.Name()])
	}
}

func (w *treeWriter) write(parent trace.SpanID, indent string) {
	for _, s := range w.spans {
		if s.Parent().SpanID() == parent {
			w.line(s, indent)
			w.write(s.SpanContext().SpanID(), indent+"  ")
		}
	}
}

func (w *treeWriter) line(s sdktrace.ReadOnlySpan, indent string) {
	fmt.Fprintf(&w.out, "%s%s %s %s", indent, w.labels[s.SpanContext().SpanID()], w.since(s.StartTime()), w.since(s.EndTime()))
	if s.SpanKind() == trace.SpanKindClient {
		w.out.WriteString(" client")
	}
	attrs := slices.Clone(s.Attributes())
	slices.SortFunc(attrs, func(a, b attribute.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
	for _, a := range attrs {
		fmt.Fprintf(&w.out, " %s=%s", strings.TrimPrefix(string(a.Key), "berth."), a.Value.String())
	}
	if s.Status().Code == codes.Error {
		fmt.Fprintf(&w.out, " %q", s.Status().Description)
	}
	for _, l := range s.Links() {
		w.out.WriteString(" → " + w.labels[l.SpanContext.SpanID()])
	}
	for _, e := range s.Events() {
		fmt.Fprintf(&w.out, " !%s %s", e.Name, w.since(e.Time))
	}
	w.out.WriteByte('\n')
}

func (w *treeWriter) since(t time.Time) string { return t.Sub(w.begin).String() }

// lines trims a golden text as it is written in a test.
func lines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		out.WriteString(strings.TrimPrefix(line, "\t\t"))
	}
	return strings.TrimRight(out.String(), "\t ")
}

// metrics collects, as name → data.
func (r *recorder) metrics() map[string]metricdata.Metrics {
	var rm metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(context.Background(), &rm))
	all := make(map[string]metricdata.Metrics)
	for _, scope := range rm.ScopeMetrics {
		require.Equal(r.t, tracing.ScopeName, scope.Scope.Name)
		require.Equal(r.t, version.String(), scope.Scope.Version)
		for _, m := range scope.Metrics {
			all[m.Name] = m
		}
	}
	return all
}

// points writes down one metric: attributes and value of each series; of a
// histogram the number and the sum.
func (r *recorder) points(name string) []string {
	var out []string
	add := func(attrs attribute.Set, value string) {
		s := ""
		for _, a := range attrs.ToSlice() {
			s += fmt.Sprintf("%s=%s ", strings.TrimPrefix(string(a.Key), "berth."), a.Value.String())
		}
		out = append(out, s+value)
	}
	switch data := r.metrics()[name].Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprintf("%d × %vs", p.Count, p.Sum))
		}
	case metricdata.Sum[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprintf("%vs", p.Value))
		}
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Value))
		}
	}
	slices.Sort(out)
	return out
}

// trimTimes leaves of each point of a histogram the number alone, for tests on
// the real clock.
func trimTimes(points []string) []string {
	for i, p := range points {
		points[i], _, _ = strings.Cut(p, " ×")
	}
	return points
}
