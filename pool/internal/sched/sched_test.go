package sched_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

var (
	seed  = flag.Uint64("sched.seed", 0, "the one seed to run; 0: new ones")
	steps = flag.Int("sched.steps", 300_000, "how many random steps to run in all")
)

// Each world does some hundred random things and then ends. What the core does
// is checked after each: against the model, where one job is handed out at a
// time, and for what must hold anyhow.
func TestCoreDoesWhatTheModelDoes(t *testing.T) {
	const length = 500
	for range *steps / length {
		s := *seed
		if s == 0 {
			s = rand.Uint64()
		}
		if !t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) { runWorld(t, s, length) }) || *seed != 0 {
			return
		}
	}
}

func runWorld(t *testing.T, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(sched.Config{
		Workers: 1 + r.IntN(6), Procs: 1 + r.IntN(2), Batch: []int{1, 1, 4, 64}[r.IntN(4)],
		Queue: []int{1, 3, 256}[r.IntN(3)], QueueTotal: []int{1, 4, 1024}[r.IntN(3)],
	})
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%v\nrun it again with -args -sched.seed=%d", p, seed)
		}
	}()
	for range steps {
		w.random(r)
	}
	w.finishAll(r.IntN(3) == 0)
	require.Equal(t, 0, w.core.Queued())
}

// Every sequence of a few things that can happen, up to a length, in a core of
// two workers with little room.
func TestEverySmallWorldHoldsWhatTheModelHolds(t *testing.T) {
	things := []func(w *world){
		func(w *world) { w.submit(w.newJob("", 0), sched.Wait) },
		func(w *world) { w.submit(w.newJob("a", 1), sched.Wait) },
		func(w *world) { w.submitAll(3) },
		func(w *world) { w.later(w.newJob("", 0), time.Millisecond) },
		func(w *world) { w.step(0, 0, false) },
		func(w *world) { w.step(0, time.Second, true) },
		func(w *world) { w.step(1, 0, false) },
		func(w *world) { w.removeFirst() },
		func(w *world) { w.pass(time.Millisecond) },
	}
	length := 5
	if testing.Short() {
		length = 4
	}
	worlds := 0
	each(length, len(things), func(sequence []int) {
		for _, batch := range []int{1, 4} {
			w := newWorld(sched.Config{Workers: 2, Procs: 1, Batch: batch, Queue: 2, QueueTotal: 3})
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("%v\nsequence %v, batches of %d", p, sequence, batch)
				}
			}()
			for _, i := range sequence {
				things[i](w)
			}
			w.finishAll(len(w.jobs)%2 == 1)
			worlds++
		}
	})
	t.Logf("%d worlds", worlds)
	require.Greater(t, worlds, 10_000)
}

// each calls f with every sequence of numbers below n.
func each(length, n int, f func([]int)) {
	sequence := make([]int, length)
	for {
		f(sequence)
		i := 0
		for ; i < length; i++ {
			if sequence[i]++; sequence[i] < n {
				break
			}
			sequence[i] = 0
		}
		if i == length {
			return
		}
	}
}
