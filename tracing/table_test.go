package tracing_test

import (
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/tracing"
)

// renewing is a source that renews the lease of each slot once, in vain every
// other time.
type renewing struct {
	slot.Source
	renewals atomic.Int32
}

func (r *renewing) Limit(string) (int, bool) { return 1, true }

func (r *renewing) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	ticket, err := r.Source.Enqueue(ctx, key)
	if trace := slot.TraceFrom(ctx); trace != nil && trace.Renewed != nil {
		var failed error
		if r.renewals.Add(1)%2 == 0 {
			failed = slot.ErrUnavailable
		}
		trace.Renewed(time.Millisecond, failed)
	}
	return ticket, err
}

// everything makes a Tracer report all that it can.
func everything(t *testing.T, opts ...tracing.Option) *recorder {
	r := record(t, append(opts, tracing.WithKeyAttribute(strings.ToLower))...)
	inner := slottest.NewBreakable(slot.NewLocalKeyed(1))
	src := r.Source(&renewing{Source: inner}, tracing.WithSourceName("hosts"))
	p := r.newPool(2, pool.WithSlots(src))
	stop, err := r.Watch(p)
	require.NoError(t, err)
	t.Cleanup(stop)
	ctx := context.Background()
	require.Error(t, p.Submit(func(ctx context.Context) error {
		if info, _ := pool.FromContext(ctx); info.Attempt == 1 {
			return pool.RetryAfter(time.Second, errFlaky)
		}
		return errFlaky
	}, pool.Key("A"), pool.Name("copy")).Wait(ctx))
	lost := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, pool.Key("B"))
	waits := p.Submit(sleep(0), pool.Key("B"))
	time.Sleep(time.Second)
	inner.Expire("B")
	require.ErrorIs(t, lost.Wait(ctx), slot.ErrLost)
	require.NoError(t, waits.Wait(ctx))

	held, _, err := slot.Try(ctx, src, "C")
	require.NoError(t, err)
	late, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	require.ErrorIs(t, slot.Do(late, src, "C", func(context.Context) error { return nil }), context.DeadlineExceeded)
	require.NoError(t, held.Release())
	require.NoError(t, p.Shutdown(ctx))
	synctest.Wait()
	return r
}

// table reads one table of the package's documentation: the rows below the one
// that begins with head, cut into cells.
func table(t *testing.T, head string) (rows [][]string) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	cells := regexp.MustCompile(`\s{2,}`)
	inside := false
	for line := range strings.Lines(string(text)) {
		row, isTable := strings.CutPrefix(line, "//\t")
		switch {
		case isTable && strings.HasPrefix(row, head+"  "):
			inside = true
		case !isTable:
			inside = false
		case inside:
			rows = append(rows, cells.Split(strings.TrimSpace(row), -1))
		}
	}
	require.NotEmpty(t, rows, head)
	return rows
}

func listed(cell string) []string {
	if cell == "-" {
		return []string{}
	}
	names := strings.Split(cell, ", ")
	slices.Sort(names)
	return names
}

func TestTableListsEverySpanWithItsAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		emitted := make(map[string]map[string]bool)
		for _, s := range everything(t).spans.Ended() {
			if emitted[s.Name()] == nil {
				emitted[s.Name()] = make(map[string]bool)
			}
			for _, a := range s.Attributes() {
				emitted[s.Name()][string(a.Key)] = true
			}
		}
		documented := table(t, "Span")
		for _, row := range documented {
			require.Contains(t, emitted, row[0])
			require.Equal(t, listed(row[3]), sortedKeys(emitted[row[0]]), row[0])
		}
		require.Len(t, documented, len(emitted))
	})
}

func TestTableListsEveryMetricWithKindUnitAndAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		emitted := everything(t).metrics()
		documented := table(t, "Metric")
		for _, row := range documented {
			m, ok := emitted[row[0]]
			require.True(t, ok, "%s is not emitted", row[0])
			kind, attrs := describe(m)
			require.Equal(t, []string{row[1], row[2]}, []string{kind, m.Unit}, row[0])
			require.Equal(t, listed(row[3]), attrs, row[0])
			require.NotEmpty(t, m.Description)
		}
		require.Len(t, documented, len(emitted))
	})
}

func TestTableListsEveryAttribute(t *testing.T) {
	var used []string
	for _, head := range []string{"Span", "Metric"} {
		for _, row := range table(t, head) {
			used = append(used, listed(row[3])...)
		}
	}
	slices.Sort(used)
	var documented []string
	for _, row := range table(t, "Attribute") {
		require.Len(t, row, 3)
		documented = append(documented, row[0])
	}
	slices.Sort(documented)
	require.Equal(t, slices.Compact(used), documented)
}

// describe returns the kind of a metric and the attributes of its series.
func describe(m metricdata.Metrics) (kind string, attrs []string) {
	keys := make(map[string]bool)
	note := func(set attribute.Set) {
		for _, a := range set.ToSlice() {
			keys[string(a.Key)] = true
		}
	}
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		kind = "histogram"
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	case metricdata.Gauge[int64]:
		kind = "gauge"
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	case metricdata.Sum[int64]:
		kind = kindOfSum(data.IsMonotonic)
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	case metricdata.Sum[float64]:
		kind = kindOfSum(data.IsMonotonic)
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	}
	return kind, sortedKeys(keys)
}

func kindOfSum(monotonic bool) string {
	if monotonic {
		return "counter"
	}
	return "up-down"
}

func sortedKeys(m map[string]bool) []string {
	keys := slices.AppendSeq([]string{}, maps.Keys(m))
	slices.Sort(keys)
	return keys
}
