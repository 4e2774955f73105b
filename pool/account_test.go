package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// outcome is what a job of the accounting test is to do on its first attempt.
type outcome int

const (
	succeeds outcome = iota
	fails
	panics1
	exits
	retries
	isCancelled
	losesSlots
	asksForDone
	outcomes
)

// A ledger has a line for each job: how often it was started.
type ledger struct {
	starts []atomic.Int32
}

func TestEachOfAMillionJobsHasOneResult(t *testing.T) {
	jobs := 1_000_000
	if raceDetector {
		jobs /= 10 // the detector makes each of them ten times slower
	}
	t.Run("without slots", func(t *testing.T) { accountFor(t, jobs/2, nil) })
	t.Run("with slots", func(t *testing.T) { accountFor(t, jobs/2, newFake(8)) })
}

// accountFor submits jobs of every kind from several goroutines, drains the pool
// in the middle of it, and requires one result for each job that was accepted
// and none for the others.
func accountFor(t *testing.T, jobs int, src *fakeSource) {
	const submitters = 4
	opts := []Option{WithQueue(512)}
	if src != nil {
		opts = append(opts, WithSlots(src))
	}
	p := newPool(t, 8, opts...)
	s := faultnet.Seed(t)
	book := &ledger{starts: make([]atomic.Int32, jobs)}
	tasks := make([]*Task, jobs)
	bareRefused := make([]bool, jobs)
	var handed atomic.Int64
	done := make(chan struct{})
	for g := range submitters {
		go func() {
			defer func() { done <- struct{}{} }()
			rng := rand.New(rand.NewPCG(s, uint64(g)))
			for i := g; i < jobs; i += submitters {
				for i+submitters >= jobs && !isClosing(p) {
					runtime.Gosched() // the last one of each comes too late
				}
				submitOne(p, book, tasks, bareRefused, i, rng, src)
				handed.Add(1)
			}
		}()
	}
	for handed.Load() < int64(jobs)*9/10 {
		runtime.Gosched()
	}
	err := p.Shutdown(t.Context()) // while the submitters go on
	require.Error(t, err, "jobs of Go have failed")
	for range submitters {
		<-done
	}
	checkLedger(t, p, book, tasks, bareRefused)
}

func isClosing(p *Pool) bool {
	p.lock()
	defer p.unlock()
	return p.core.Draining()
}

func submitOne(p *Pool, book *ledger, tasks []*Task, bareRefused []bool, i int, rng *rand.Rand, src *fakeSource) {
	what := outcome(rng.IntN(int(outcomes)))
	if rng.IntN(20) > 0 {
		what = succeeds
	}
	if what == losesSlots && (src == nil || rng.IntN(100) > 0) {
		what = fails
	}
	job := func(ctx context.Context) error {
		book.starts[i].Add(1)
		return act(ctx, what, book.starts[i].Load(), src)
	}
	var opts []JobOption
	if i%5 > 0 {
		opts = []JobOption{Key(fmt.Sprint(i % 5)), Priority(i % 2)}
	}
	if i%3 == 0 && what != isCancelled {
		bareRefused[i] = p.Go(job, opts...) != nil
		return
	}
	t := p.Submit(job, opts...)
	tasks[i] = t
	if what == isCancelled {
		t.Cancel()
	}
}

func act(ctx context.Context, what outcome, attempt int32, src *fakeSource) error {
	switch what {
	case fails:
		return errTest
	case panics1:
		panic(errTest)
	case exits:
		runtime.Goexit()
	case retries:
		if attempt < 3 {
			return RetryAfter(time.Microsecond, errTest)
		}
	case losesSlots:
		src.lose()
		return ctx.Err()
	case asksForDone:
		select {
		case <-ctx.Done():
		default:
		}
	}
	return nil
}

func checkLedger(t *testing.T, p *Pool, book *ledger, tasks []*Task, bareRefused []bool) {
	refused := 0
	for i, task := range tasks {
		starts := book.starts[i].Load()
		if task == nil {
			if bareRefused[i] {
				refused++
				require.Zero(t, starts, "job %d was refused and ran", i)
			} else {
				require.NotZero(t, starts, "job %d was accepted and never ran", i)
			}
			continue
		}
		require.Equal(t, StateDone, task.State(), "job %d", i)
		if errors.Is(task.Err(), ErrClosed) {
			refused++
			require.Zero(t, starts, "job %d was refused and ran", i)
		} else if task.Err() == nil {
			require.NotZero(t, starts, "job %d succeeded without having run", i)
		}
		require.LessOrEqual(t, starts, int32(3), "job %d: a start for each attempt", i)
	}
	require.NotZero(t, refused, "the shutdown was to be in the middle")
	requireBalance(t, p)
	require.EqualValues(t, len(tasks)-refused, p.Stats().Submitted)
	t.Logf("%d jobs, %d refused: %+v", len(tasks), refused, p.Stats())
}
