package tracing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/tracing"
)

var errFlaky = errors.New("flaky")

// newPool returns a pool with the recorder's hooks.
func (r *recorder) newPool(workers int, opts ...pool.Option) *pool.Pool {
	p, err := pool.New(workers, append(opts, pool.WithHooks(r.Hooks()))...)
	require.NoError(r.t, err)
	return p
}

// end shuts the pool down and returns the trees of all spans, after checking
// what holds for every tree.
func (r *recorder) end(p *pool.Pool) string {
	require.NoError(r.t, p.Shutdown(context.Background()))
	synctest.Wait()
	r.checkLengths()
	return r.trees()
}

// checkLengths checks that the parts of each job add up to it without gaps, and
// that the runs linked to a hold lie within it.
func (r *recorder) checkLengths() {
	parts := make(map[trace.SpanID]time.Duration)
	spans := make(map[trace.SpanID]sdktrace.ReadOnlySpan)
	for _, s := range r.spans.Ended() {
		spans[s.SpanContext().SpanID()] = s
		if s.Name() != tracing.SpanHold {
			parts[s.Parent().SpanID()] += s.EndTime().Sub(s.StartTime())
		}
	}
	for id, s := range spans {
		switch s.Name() {
		case tracing.SpanJob:
			require.Equal(r.t, s.EndTime().Sub(s.StartTime()), parts[id], "the parts of a job")
		case tracing.SpanHold:
			for _, l := range s.Links() {
				run := spans[l.SpanContext.SpanID()]
				require.False(r.t, run.StartTime().Before(s.StartTime()), "a run begins under its slot")
				require.False(r.t, run.EndTime().After(s.EndTime()), "a run ends under its slot")
				require.Len(r.t, run.Links(), 1, "linked both ways")
				require.Equal(r.t, id, run.Links()[0].SpanContext.SpanID())
			}
		}
	}
}

func sleep(d time.Duration) pool.Job {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

func TestPlainJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		ctx, caller := r.user("caller")
		task := p.SubmitContext(ctx, func(ctx context.Context) error {
			_, own := r.tracers.Tracer("user").Start(ctx, "own")
			time.Sleep(time.Second)
			own.End()
			return nil
		}, pool.Key("a"), pool.Name("copy"))
		require.NoError(t, task.Wait(context.Background()))
		caller.End()
		require.Equal(t, lines(`
		caller 1 0s 1s
		  job 1 0s 1s job.attempts=1 job.name=copy key=a
		    queue 1 0s 0s
		    run 1 0s 1s job.attempt=1
		      own 1 0s 1s
		`), r.end(p))
	})
}

func TestPlainJobUnderASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithSlots(r.Source(slot.NewLocal(1))))
		require.NoError(t, p.Submit(sleep(time.Second), pool.Key("a")).Wait(context.Background()))
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 1s job.attempt=1 → slot hold 1
		slot hold 1 0s 1s key=a slot.queued=false slot.runs=1 → run 1
		`), r.end(p))
	})
}

func TestQueuedJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		p.Submit(sleep(time.Second))
		p.Submit(sleep(2 * time.Second))
		p.Go(sleep(3 * time.Second))
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=1 key=
		  queue 1 0s 0s
		  run 1 0s 1s job.attempt=1
		job 2 0s 3s job.attempts=1 key=
		  queue 2 0s 1s
		  run 2 1s 3s job.attempt=1 job.waited_for=worker
		job 3 0s 6s job.attempts=1 key=
		  queue 3 0s 3s
		  run 3 3s 6s job.attempt=1 job.waited_for=worker
		`), r.end(p))
	})
}

func TestJobThatWaitsForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocal(1)
		other, _, err := slot.Try(context.Background(), src, "")
		require.NoError(t, err)
		p := r.newPool(2, pool.WithSlots(r.Source(src)))
		p.Submit(sleep(time.Second), pool.Key("a"))
		time.Sleep(3 * time.Second)
		require.NoError(t, other.Release())
		require.Equal(t, lines(`
		job 1 0s 4s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 3s client key=a slot.ahead=0 slot.queued=true slot.reused=false !queued 0s !granted 3s !confirmed 3s
		  run 1 3s 4s job.attempt=1 job.waited_for=slot → slot hold 1
		slot hold 1 3s 4s key=a slot.queued=true slot.runs=1 → run 1
		`), r.end(p))
	})
}

// secretive is a source that does not tell where in line a claim is.
type secretive struct{ slot.Source }

type secretiveTicket struct{ slot.Ticket }

func (s secretive) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	ticket, err := s.Source.Enqueue(ctx, key)
	return secretiveTicket{ticket}, err
}

func TestTheSpanOfAnAcquireSaysHowManyWereInFront(t *testing.T) {
	for name, c := range map[string]struct {
		traced, secret bool
		want           string
	}{
		"traced source":     {traced: true, want: " slot.ahead=2 slot.queued=true "},
		"plain source":      {want: " slot.ahead=2 slot.queued=true "},
		"source that hides": {traced: true, secret: true, want: " key=a slot.queued=true "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t)
				var src slot.Source = slot.NewLocal(1)
				held, _, err := slot.Try(t.Context(), src, "")
				require.NoError(t, err)
				var others [2]slot.Ticket
				for i := range others {
					others[i], err = src.Enqueue(t.Context(), "")
					require.NoError(t, err)
				}
				if c.secret {
					src = secretive{src}
				}
				if c.traced {
					src = r.Source(src)
				}
				p := r.newPool(1, pool.WithSlots(src))
				p.Submit(sleep(time.Second), pool.Key("a"))
				time.Sleep(time.Second)
				for _, ticket := range others {
					require.NoError(t, ticket.Close())
				}
				require.NoError(t, held.Release())
				require.Contains(t, r.end(p), c.want)
			})
		})
	}
}

func TestRetriedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithSlots(r.Source(slot.NewLocal(1))))
		p.Submit(func(ctx context.Context) error {
			time.Sleep(time.Second)
			if info, _ := pool.FromContext(ctx); info.Attempt == 1 {
				return pool.RetryAfter(5*time.Second, errFlaky)
			}
			return nil
		}, pool.Key("a"))
		time.Sleep(time.Minute)
		require.Equal(t, lines(`
		job 1 0s 7s job.attempts=2 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 1s job.attempt=1 error.type=_OTHER "flaky" → slot hold 1
		  backoff 1 1s 6s
		  queue 2 6s 6s
		  slot acquire 2 6s 6s client key=a slot.queued=false slot.reused=false !granted 6s !confirmed 6s
		  run 2 6s 7s job.attempt=2 → slot hold 2
		slot hold 1 0s 1s key=a slot.queued=false slot.runs=1 → run 1
		slot hold 2 6s 7s key=a slot.queued=false slot.runs=1 → run 2
		`), r.end(p))
	})
}

func TestJobThatIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		runs := 0
		p.Submit(func(context.Context) error {
			time.Sleep(time.Second)
			if runs++; runs == 1 {
				return pool.NotYet(5*time.Second, errFlaky)
			}
			return nil
		}, pool.Key("a"))
		time.Sleep(time.Minute)
		require.Equal(t, lines(`
		job 1 0s 7s job.attempts=1 key=a
		  queue 1 0s 0s
		  run 1 0s 1s job.attempt=1
		  backoff 1 1s 6s
		  queue 2 6s 6s
		  run 2 6s 7s job.attempt=1
		`), r.end(p))
	})
}

func TestJobsThatShareASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithSlots(r.Source(slot.NewLocal(1))), pool.WithReuse(time.Second))
		p.Submit(sleep(time.Millisecond*600), pool.Key("a"))
		p.Submit(sleep(time.Millisecond*600), pool.Key("a"))
		p.Submit(sleep(time.Second), pool.Key("a"))
		require.Equal(t, lines(`
		job 1 0s 600ms job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 600ms job.attempt=1 → slot hold 1
		job 2 0s 1.2s job.attempts=1 key=a
		  queue 2 0s 600ms
		  slot acquire 2 600ms 600ms client key=a slot.queued=false slot.reused=true
		  run 2 600ms 1.2s job.attempt=1 job.waited_for=slot → slot hold 1
		job 3 0s 2.2s job.attempts=1 key=a
		  queue 3 0s 1.2s
		  slot acquire 3 1.2s 1.2s client key=a slot.queued=false slot.reused=false !granted 1.2s !confirmed 1.2s
		  run 3 1.2s 2.2s job.attempt=1 job.waited_for=slot → slot hold 2
		slot hold 1 0s 1.2s key=a slot.queued=false slot.runs=2 → run 1 → run 2
		slot hold 2 1.2s 2.2s key=a slot.queued=false slot.runs=1 → run 3
		`), r.end(p))
	})
}

func TestSlotForOneJobIsItsChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithSlots(r.Source(slot.NewLocal(1))), pool.WithReuse(0))
		p.Submit(sleep(time.Second), pool.Key("a"))
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  slot hold 1 0s 1s key=a slot.queued=false slot.runs=1 → run 1
		  run 1 0s 1s job.attempt=1 → slot hold 1
		`), r.end(p))
	})
}

func TestLostSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		p := r.newPool(1, pool.WithSlots(r.Source(src)))
		p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, pool.Key("a"))
		time.Sleep(3 * time.Second)
		src.Expire("a")
		require.Equal(t, lines(`
		job 1 0s 3s job.attempts=1 key=a error.type=slot_lost "context canceled; slot: lost"
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 3s job.attempt=1 slot.lost=true error.type=slot_lost "context canceled; slot: lost" → slot hold 1
		slot hold 1 0s 3s key=a slot.queued=false slot.runs=1 error.type=slot_lost "slot: lost" → run 1 !lost 3s
		`), r.end(p))
	})
}

func TestJobThatSucceedsAfterItsSlotWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		p := r.newPool(1, pool.WithSlots(r.Source(src)))
		task := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}, pool.Key("a"))
		time.Sleep(3 * time.Second)
		src.Expire("a")
		require.NoError(t, task.Wait(context.Background()))
		require.Equal(t, lines(`
		job 1 0s 3s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 3s job.attempt=1 slot.lost=true → slot hold 1
		slot hold 1 0s 3s key=a slot.queued=false slot.runs=1 error.type=slot_lost "slot: lost" → run 1 !lost 3s
		`), r.end(p))
	})
}

func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		p.Submit(func(ctx context.Context) error {
			time.Sleep(time.Second)
			panic("ouch")
		}, pool.Key("a"))
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=1 key=a error.type=panic "pool: the job panicked: ouch"
		  queue 1 0s 0s
		  run 1 0s 1s job.attempt=1 error.type=panic "pool: the job panicked: ouch"
		`), r.end(p))
	})
}

func TestDrainedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		running := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		p.Submit(func(ctx context.Context) error { return pool.RetryAfter(time.Hour, errFlaky) }, pool.Key("backs off"))
		p.Submit(running, pool.Key("runs"))
		time.Sleep(time.Second)
		p.Submit(running, pool.Key("queued"))
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.Error(t, p.Shutdown(ctx))
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=1 key=backs off error.type=shutdown "flaky; pool: ended by shutdown"
		  backoff 1 0s 1s
		  queue 1 0s 0s
		  run 1 0s 0s job.attempt=1 error.type=_OTHER "flaky"
		job 2 0s 3s job.attempts=1 key=runs error.type=shutdown "context canceled; pool: ended by shutdown"
		  queue 2 0s 0s
		  run 2 0s 3s job.attempt=1 error.type=shutdown "context canceled; pool: ended by shutdown"
		job 3 1s 3s job.attempts=0 key=queued error.type=shutdown "pool: ended by shutdown"
		  queue 3 1s 3s
		`), r.end(p))
	})
}

func TestNestedJobRunsUnderTheSlotOfTheOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithSlots(r.Source(slot.NewLocal(1))))
		task := p.Submit(func(ctx context.Context) error {
			time.Sleep(time.Second)
			child := p.SubmitContext(ctx, sleep(2*time.Second), pool.Key("a"))
			time.Sleep(time.Second)
			return child.Wait(ctx)
		}, pool.Key("a"))
		require.NoError(t, task.Wait(context.Background()))
		require.Equal(t, lines(`
		job 1 0s 4s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 4s job.attempt=1 → slot hold 1
		    job 2 1s 4s job.attempts=1 key=a
		      queue 2 1s 2s
		      slot acquire 2 2s 2s client key=a slot.queued=false slot.reused=true
		      run 2 2s 4s job.attempt=1 job.waited_for=worker → slot hold 1
		slot hold 1 0s 4s key=a slot.queued=false slot.runs=2 → run 1 → run 2
		`), r.end(p))
	})
}

func TestGrantThatWaitsForAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocalKeyed(1)
		other, _, err := slot.Try(context.Background(), src, "b")
		require.NoError(t, err)
		p := r.newPool(1, pool.WithSlots(r.Source(src)), pool.WithReuse(10*time.Second))
		p.Submit(sleep(0), pool.Key("b"))
		synctest.Wait()
		p.Submit(sleep(3*time.Second), pool.Key("a"))
		time.Sleep(time.Second)
		require.NoError(t, other.Release())
		require.Equal(t, lines(`
		job 1 0s 3s job.attempts=1 key=a
		  queue 1 0s 0s
		  slot acquire 1 0s 0s client key=a slot.queued=false slot.reused=false !granted 0s !confirmed 0s
		  run 1 0s 3s job.attempt=1 → slot hold 1
		job 2 0s 3s job.attempts=1 key=b
		  slot acquire 2 0s 1s client key=b slot.ahead=0 slot.queued=true slot.reused=false !queued 0s !granted 1s !confirmed 1s
		  queue 2 1s 3s
		  run 2 3s 3s job.attempt=1 job.waited_for=worker → slot hold 2
		slot hold 1 0s 3s key=a slot.queued=false slot.runs=1 → run 1
		slot hold 2 1s 3s key=b slot.queued=true slot.runs=1 → run 2
		`), r.end(p))
	})
}

func TestShortWaitForAWorkerIsPartOfTheAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocalKeyed(1)
		other, _, err := slot.Try(context.Background(), src, "b")
		require.NoError(t, err)
		p := r.newPool(1, pool.WithSlots(r.Source(src)), pool.WithReuse(10*time.Second))
		p.Submit(sleep(0), pool.Key("b"))
		synctest.Wait()
		p.Submit(sleep(time.Second), pool.Key("a"))
		time.Sleep(time.Second - 999*time.Microsecond)
		require.NoError(t, other.Release())
		require.Contains(t, r.end(p), lines(`
		job 2 0s 1s job.attempts=1 key=b
		  queue 2 0s 0s
		  slot acquire 2 0s 1s client key=b slot.ahead=0 slot.queued=true slot.reused=false !queued 0s !granted 999.001ms !confirmed 999.001ms
		  run 2 1s 1s job.attempt=1 job.waited_for=slot → slot hold 2
		`))
	})
}

func TestAcquireIsClippedToTheLifeOfTheJobThatGotTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocal(1)
		other, _, err := slot.Try(context.Background(), src, "")
		require.NoError(t, err)
		p := r.newPool(1, pool.WithSlots(r.Source(src)), pool.WithReuse(10*time.Second))
		first := p.Submit(sleep(0), pool.Key("a"))
		time.Sleep(time.Second)
		first.Cancel()
		time.Sleep(time.Second)
		p.Submit(sleep(time.Second), pool.Key("a"))
		time.Sleep(3 * time.Second)
		require.NoError(t, other.Release())
		require.Equal(t, lines(`
		job 1 0s 1s job.attempts=0 key=a error.type=cancelled "pool: the task was cancelled"
		  queue 1 0s 1s
		job 2 2s 6s job.attempts=1 key=a
		  queue 2 2s 2s
		  slot acquire 1 2s 5s client key=a slot.ahead=0 slot.queued=true slot.reused=false !queued 2s !granted 5s !confirmed 5s
		  run 1 5s 6s job.attempt=1 job.waited_for=slot → slot hold 1
		slot hold 1 5s 6s key=a slot.queued=true slot.runs=1 → run 1
		`), r.end(p))
	})
}

func TestGrantThatNobodyNeedsIsHeldUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := r.Source(slot.NewLocal(2))
		claim := func() slot.Slot {
			s, _, err := slot.Try(context.Background(), src, "a")
			require.NoError(t, err)
			return s
		}
		one, two := claim(), claim()
		p := r.newPool(1, pool.WithSlots(src), pool.WithReuse(10*time.Second))
		task := p.Submit(sleep(0), pool.Key("a"))
		synctest.Wait()
		task.Cancel()
		time.Sleep(time.Second)
		require.NoError(t, one.Release())
		synctest.Wait()
		require.Equal(t, []string{"state=idle 0", "state=used 1"}, r.points(tracing.MetricSlotCount))
		require.Equal(t, []string{"3 × 1s"}, r.points(tracing.MetricSlotWaitTime))
		require.NoError(t, two.Release())
		require.Contains(t, r.end(p), "slot hold 3 1s 1s key=a slot.queued=true slot.runs=0\n")
	})
}
