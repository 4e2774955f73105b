package tracing_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/tracing"
)

// Jobs that succeed, fail, panic, are retried, cancelled and lose their slots,
// many at a time: afterwards every part of every job adds up, every count has
// come back to nothing, and the metrics tell the same as the spans.
func TestManyJobsOfAllKindsAddUp(t *testing.T) {
	const jobs = 1000
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		inner := slottest.NewBreakable(slot.NewLocalKeyed(2))
		src := r.Source(inner)
		p := r.newPool(8, pool.WithSlots(src), pool.WithReuse(20*time.Millisecond),
			pool.Use(middleware.Retry(middleware.MaxAttempts(3, middleware.Exponential(time.Millisecond, time.Second)))))
		rnd := rand.New(rand.NewPCG(seed, 0))
		attempts := new(atomic.Int64)
		for i := range jobs {
			key := fmt.Sprint(rnd.IntN(5))
			task := p.Submit(someJob(rnd.IntN(5), time.Duration(rnd.IntN(10))*time.Millisecond, attempts), pool.Key(key))
			switch {
			case i%50 == 0:
				inner.Expire(key)
			case i%20 == 0:
				task.Cancel()
			}
		}
		_ = p.Wait(context.Background())
		require.NoError(t, p.Shutdown(context.Background()))
		synctest.Wait()
		r.checkLengths()

		count := make(map[string]int64)
		for _, s := range r.spans.Ended() {
			count[s.Name()]++
		}
		require.EqualValues(t, jobs, count[tracing.SpanJob])
		require.Equal(t, attempts.Load(), count[tracing.SpanRun])
		require.Equal(t, count[tracing.SpanRun], count[tracing.SpanAcquire])
		require.Len(t, r.spans.Ended(), len(r.spans.Started()))
		require.Equal(t, []string{"0"}, r.points(tracing.MetricJobQueued))
		require.Equal(t, []string{"0"}, r.points(tracing.MetricSlotPendingRequests))
		require.Equal(t, []string{"state=idle 0", "state=used 0"}, r.points(tracing.MetricSlotCount))
		require.EqualValues(t, jobs, measurements(r, tracing.MetricJobDuration))
		require.Equal(t, count[tracing.SpanRun], measurements(r, tracing.MetricJobQueueTime))
		require.Equal(t, count[tracing.SpanHold], measurements(r, tracing.MetricSlotUseTime))
		// A grant that crossed a cancel goes back and is held by nobody.
		require.GreaterOrEqual(t, measurements(r, tracing.MetricSlotWaitTime), count[tracing.SpanHold])
		require.NoError(t, src.Close(context.Background()))
	})
}

// someJob is a job of one of five kinds.
func someJob(kind int, took time.Duration, attempts *atomic.Int64) pool.Job {
	return func(ctx context.Context) error {
		attempts.Add(1)
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		switch kind {
		case 0:
			return errFlaky
		case 1:
			panic("ouch")
		}
		return nil
	}
}

// measurements is how many were made of a histogram, over all series.
func measurements(r *recorder, name string) (n int64) {
	for _, p := range r.metrics()[name].Data.(metricdata.Histogram[float64]).DataPoints {
		n += int64(p.Count)
	}
	return n
}
