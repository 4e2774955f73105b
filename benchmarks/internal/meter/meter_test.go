package meter

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJobsOfManyGoroutinesAreCountedExactly(t *testing.T) {
	const goroutines, each = 100, 10_000
	var jobs Jobs
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() {
			for range each {
				jobs.Add()
			}
		})
	}
	running.Wait()
	require.NoError(t, jobs.Check(goroutines*each))
}

func TestAJobThatWasNotRunOrRanTwiceIsNoticed(t *testing.T) {
	var jobs Jobs
	jobs.Add()
	require.ErrorContains(t, jobs.Check(2), "ran 1 jobs, should have run 2")
	jobs.Add()
	jobs.Add()
	require.ErrorContains(t, jobs.Check(2), "ran 3 jobs, should have run 2")
}

func TestCountingAllocatesNothing(t *testing.T) {
	var jobs Jobs
	require.Zero(t, testing.AllocsPerRun(100, jobs.Add))
}

func TestAGateNoticesOneJobTooManyEvenIfItHasLeft(t *testing.T) {
	g := NewGate(2)
	g.Enter()
	g.Enter()
	g.Leave()
	g.Enter()
	g.Leave()
	g.Leave()
	require.NoError(t, g.Check(3))

	g.Enter()
	g.Enter()
	g.Enter()
	g.Leave()
	g.Leave()
	g.Leave()
	require.ErrorContains(t, g.Check(6), "3 jobs ran at once, the limit is 2")
}

func TestAGateNoticesJobsThatNeverEnded(t *testing.T) {
	g := NewGate(2)
	g.Enter()
	require.ErrorContains(t, g.Check(1), "1 jobs never ended")
	g.Leave()
	require.ErrorContains(t, g.Check(2), "ran 1 jobs, should have run 2")
}
