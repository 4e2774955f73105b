package stacktest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/tracing"
)

// A slotEnd is a source and a call that ends the slots of the key "k" that were
// claimed from it.
type slotEnd struct {
	src slot.Source
	end func()
}

// expiring is a source whose slots expire when a test says so.
func expiring() (*slottest.Breakable, func()) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	return src, func() { src.Expire("k") }
}

// closed ends the slots of a source by closing it.
func closed(src slot.Source) func() { return func() { _ = src.Close(context.Background()) } }

// slotEnds has every engine and every decorator of this module.
var slotEnds = []struct {
	name string
	make func(*testing.T, *world) slotEnd
}{
	{"slot.Local", func(*testing.T, *world) slotEnd {
		src := slot.NewLocal(1)
		return slotEnd{src, closed(src)}
	}},
	{"dflockd", func(_ *testing.T, w *world) slotEnd {
		src := w.source("a")
		return slotEnd{src, closed(src)}
	}},
	{"slottest.Breakable", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		return slotEnd{src, expire}
	}},
	{"the first of All", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		return slotEnd{slot.All(src, slot.NewLocal(1)), expire}
	}},
	{"the last of All", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		return slotEnd{slot.All(slot.NewLocal(1), src), expire}
	}},
	{"dflockd in All", func(_ *testing.T, w *world) slotEnd {
		src := w.open("a", slot.Fixed("all", 1))
		return slotEnd{slot.All(w.source("b"), src), closed(src)}
	}},
	{"dflockd in MinHold in All", func(_ *testing.T, w *world) slotEnd {
		src := w.source("a")
		return slotEnd{slot.All(slot.NewLocal(1), slot.MinHold(src, time.Minute)), closed(src)}
	}},
	{"MinHold", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		return slotEnd{slot.MinHold(src, time.Minute), expire}
	}},
	{"Fallback", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		return slotEnd{slot.Fallback(src, slot.NewLocal(1), 0), expire}
	}},
	{"the local share of Fallback", func(*testing.T, *world) slotEnd {
		src, expire := expiring()
		engine := slottest.NewBreakable(slot.NewLocal(1))
		engine.Break()
		return slotEnd{slot.Fallback(engine, src, 0), expire}
	}},
	{"tracing", func(t *testing.T, _ *world) slotEnd {
		src, expire := expiring()
		return slotEnd{traced(t, src), expire}
	}},
	{"all of them", func(t *testing.T, w *world) slotEnd {
		src, expire := expiring()
		inner := slot.MinHold(traced(t, slot.Fallback(src, slot.NewLocal(1), 0)), time.Second)
		return slotEnd{traced(t, slot.All(w.source("a"), slot.All(slot.NewLocal(1), inner))), expire}
	}},
}

func traced(t *testing.T, src slot.Source) slot.Source {
	t.Helper()
	tracer, err := tracing.New()
	require.NoError(t, err)
	return tracer.Source(src)
}

// works runs a job under a slot of the key "k" in each way there is.
var works = []struct {
	name string
	run  func(t *testing.T, src slot.Source, job func(context.Context) error) error
}{
	{"slot.Do", func(t *testing.T, src slot.Source, job func(context.Context) error) error {
		return slot.Do(t.Context(), src, "k", job)
	}},
	{"pool.Submit", func(t *testing.T, src slot.Source, job func(context.Context) error) error {
		return inPool(t, src, func(p *pool.Pool) error { return p.Submit(job, pool.Key("k")).Wait(t.Context()) })
	}},
	{"the second attempt", func(t *testing.T, src slot.Source, job func(context.Context) error) error {
		first := true
		return inPool(t, src, func(p *pool.Pool) error {
			return p.Submit(func(ctx context.Context) error {
				if first {
					first = false
					return pool.RetryAfter(0, errOver)
				}
				return job(ctx)
			}, pool.Key("k")).Wait(t.Context())
		})
	}},
	{"pool.Go", func(t *testing.T, src slot.Source, job func(context.Context) error) error {
		return inPool(t, src, func(p *pool.Pool) error {
			require.NoError(t, p.Go(job, pool.Key("k")))
			return p.Wait(t.Context())
		})
	}},
}

func inPool(t *testing.T, src slot.Source, run func(*pool.Pool) error) error {
	t.Helper()
	p, err := pool.New(1, pool.WithSlots(src))
	require.NoError(t, err)
	err = run(p)
	require.NoError(t, p.Shutdown(context.Background()))
	return err
}

// When the call that ends a slot returns, somebody else may have the slot. By
// then the job's context has ended, and so have those that are derived from it,
// also for who waits on a channel that it was given before.
func TestTheJobsContextHasEndedWhenTheCallThatEndsItsSlotReturns(t *testing.T) {
	for _, engine := range slotEnds {
		for _, work := range works {
			t.Run(engine.name+", "+work.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, immediate, 1, 10*time.Second)
					defer w.close()
					for range 20 {
						e := engine.make(t, w)
						err := work.run(t, e.src, func(ctx context.Context) error {
							derived, stop := context.WithTimeout(ctx, time.Hour)
							defer stop()
							done := derived.Done()
							e.end()
							select {
							case <-done:
							default:
								t.Error("the channel that a derived context gave before is open")
							}
							require.ErrorIs(t, ctx.Err(), context.Canceled)
							require.ErrorIs(t, context.Cause(derived), slot.ErrLost)
							return nil
						})
						require.NoError(t, err)
						require.NoError(t, e.src.Close(context.Background()))
					}
				})
			})
		}
	}
}
