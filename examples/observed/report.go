package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/tracing"
)

// report prints the timeline of the job that has most to tell, and what the page
// of metrics says of all.
func report(ctx context.Context, tel *telemetry, s settings, out io.Writer) error {
	ctx = context.WithoutCancel(ctx) // an interrupted batch is reported, too
	if err := tel.tracers.ForceFlush(ctx); err != nil {
		return err
	}
	spans := tel.spans.all()
	fmt.Fprintf(out, "the trace, %d spans, is in %s\n\n", len(spans), s.trace)
	if job := busiest(spans); job != nil {
		writeTimeline(out, spans, job)
	}
	page, err := tel.read(ctx)
	if err != nil {
		return fmt.Errorf("read the page of metrics: %w", err)
	}
	fmt.Fprint(out, "\nof all jobs together, the metrics say:\n")
	for _, line := range []struct{ text, metric string }{
		{"waited for a worker", "berth_job_queue_time_seconds"},
		{"slots were waited for", "berth_slot_wait_time_seconds"},
		{"slots were held", "berth_slot_use_time_seconds"},
	} {
		fmt.Fprintf(out, "  %-22s %8.1f ms in %.0f times\n", line.text, 1000*value(page, line.metric+"_sum"), value(page, line.metric+"_count"))
	}
	fmt.Fprintf(out, "  %-22s %8.0f\n", "attempts were retried", value(page, "berth_job_retries_total"))
	return nil
}

// value returns the sum of all series of one name on a page of metrics.
func value(page, name string) (sum float64) {
	series := regexp.MustCompile(`(?m)^` + name + `(?:\{[^}]*\})? (\S+)`)
	for _, m := range series.FindAllStringSubmatch(page, -1) {
		v, _ := strconv.ParseFloat(m[1], 64) // what Prometheus wrote is a number
		sum += v
	}
	return sum
}

// busiest returns the job with the most parts, of these the longest.
func busiest(spans []sdktrace.ReadOnlySpan) (best sdktrace.ReadOnlySpan) {
	most := 0
	for _, s := range spans {
		if s.Name() != tracing.SpanJob {
			continue
		}
		n := len(below(spans, s))
		if best == nil || n > most || n == most && length(s) > length(best) {
			best, most = s, n
		}
	}
	return best
}

// below returns the children of a span, the first one first.
func below(spans []sdktrace.ReadOnlySpan, parent sdktrace.ReadOnlySpan) (children []sdktrace.ReadOnlySpan) {
	for _, s := range spans {
		if s.Parent().SpanID() == parent.SpanContext().SpanID() && s.Name() != tracing.SpanHold {
			children = append(children, s)
		}
	}
	return children
}

func length(s sdktrace.ReadOnlySpan) time.Duration { return s.EndTime().Sub(s.StartTime()) }

const barWidth = 40

// writeTimeline writes the parts of a job one below the other, each with a bar
// for its place in the job's time.
func writeTimeline(out io.Writer, spans []sdktrace.ReadOnlySpan, job sdktrace.ReadOnlySpan) {
	fmt.Fprintf(out, "the job with most to tell: %s, %s, trace %s\n", attr(job, tracing.AttrJobName), millis(length(job)), job.SpanContext().TraceID())
	var sum time.Duration
	parts := below(spans, job)
	for _, s := range parts {
		sum += length(s)
		fmt.Fprintf(out, "  %10s  %-12s %10s  %s  %s\n", millis(s.StartTime().Sub(job.StartTime())), s.Name(), millis(length(s)), bar(s, job), note(spans, s))
	}
	fmt.Fprintf(out, "  %10s  %-12s %10s\n", "", "sum", millis(sum))
}

// bar marks the time of a part in the time of the whole.
func bar(part, whole sdktrace.ReadOnlySpan) string {
	at := func(t time.Time) int {
		return int(barWidth * t.Sub(whole.StartTime()) / max(length(whole), 1))
	}
	from := min(at(part.StartTime()), barWidth-1)
	to := max(at(part.EndTime()), from+1)
	return strings.Repeat("·", from) + strings.Repeat("█", to-from) + strings.Repeat("·", barWidth-to)
}

// note says what else the span of a part tells.
func note(spans []sdktrace.ReadOnlySpan, s sdktrace.ReadOnlySpan) string {
	switch s.Name() {
	case tracing.SpanAcquire:
		if attr(s, tracing.AttrSlotReused) == "true" {
			return "reused"
		}
	case tracing.SpanRun:
		text := "attempt " + attr(s, tracing.AttrAttempt)
		if s.Status().Description != "" {
			text += ": " + s.Status().Description
		}
		for _, l := range s.Links() {
			if hold := find(spans, l.SpanContext); hold != nil {
				text += fmt.Sprintf(" (slot held for %s, %s runs)", millis(length(hold)), attr(hold, tracing.AttrSlotRuns))
			}
		}
		return text
	}
	return ""
}

func find(spans []sdktrace.ReadOnlySpan, sc trace.SpanContext) sdktrace.ReadOnlySpan {
	for _, s := range spans {
		if s.SpanContext().SpanID() == sc.SpanID() {
			return s
		}
	}
	return nil
}

func attr(s sdktrace.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
