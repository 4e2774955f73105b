package pool

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestGoAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for name, opts := range map[string][]Option{"plain": nil, "slots": {WithSlots(slot.NewLocal(4)), WithReuse(1 << 40)}} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			for range 1000 { // workers, rings and lanes exist
				_ = p.Go(nothing, Key("k"))
			}
			require.NoError(t, p.Wait(t.Context()))
			require.Zero(t, testing.AllocsPerRun(2000, func() { _ = p.Go(nothing, Key("k")) }))
			finish(t, p)
		})
	}
}

func TestSubmitAllocatesTheTaskAlone(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := newPool(t, 2)
	tasks := make([]*Task, 0, 512)
	perBurst := testing.AllocsPerRun(20, func() {
		tasks = tasks[:0]
		for range 512 {
			tasks = append(tasks, p.Submit(nothing, Key("k")))
		}
		require.NoError(t, p.Wait(context.Background()))
	})
	require.LessOrEqual(t, perBurst/512, 1.05)
	finish(t, p)
}

func TestATaskFillsOneCacheLine(t *testing.T) {
	const line = 64
	if bits.UintSize == 64 {
		require.EqualValues(t, line, unsafe.Sizeof(Task{}))
	}
	require.LessOrEqual(t, unsafe.Sizeof(Task{}), uintptr(line), "words of 32 bits leave room")
	require.LessOrEqual(t, unsafe.Sizeof(Task{})+unsafe.Sizeof(setting{}), uintptr(128), "with a key or a context")
}

func TestAQueuedTaskCostsLessThan100Bytes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const n = 100_000
	p := newPool(t, 1, WithQueue(n+1), WithQueueTotal(n+1))
	block := make(chan struct{})
	p.Submit(func(context.Context) error { <-block; return nil })
	before := liveHeap()
	for range n {
		p.Submit(nothing)
	}
	perJob := float64(liveHeap()-before) / n
	t.Logf("%.0f bytes for each queued task", perJob)
	require.Less(t, perJob, 100.0)
	close(block)
	finish(t, p)
}

// inLine is a source whose slots are always waited for, without an allocation.
type inLine struct{}

func (inLine) Enqueue(context.Context, string) (slot.Ticket, error) { return lastInLine{}, nil }
func (inLine) Close(context.Context) error                          { return nil }

type lastInLine struct{ slot.Ticket }

func (lastInLine) Slot() (slot.Slot, bool)                 { return nil, false }
func (lastInLine) Wait(context.Context) (slot.Slot, error) { return freeSlot{}, nil }

type freeSlot struct{ slot.Slot }

func (freeSlot) Info() slot.Info          { return slot.Info{} }
func (freeSlot) Release() error           { return nil }
func (freeSlot) Context() context.Context { return context.Background() }

func TestAClaimThatWaitsInLineAllocatesItsSlotAndItsWait(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := newPool(t, 1, WithSlots(inLine{}), WithReuse(0))
	ran := make(chan struct{})
	job := func(context.Context) error { ran <- struct{}{}; return nil }
	require.LessOrEqual(t, testing.AllocsPerRun(500, func() {
		_ = p.Go(job)
		<-ran
	}), 4.0, "the claim, what the pool has of it, its place, and the goroutine that waits")
	finish(t, p)
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestLanesAreRecycled(t *testing.T) {
	p := newPool(t, 2)
	for round := range 20 {
		for i := range 1000 {
			require.NoError(t, p.Go(nothing, Key(fmt.Sprint(round, "-", i))))
		}
		require.NoError(t, p.Wait(t.Context()))
	}
	require.Zero(t, p.Stats().Lanes)
	finish(t, p)
}
