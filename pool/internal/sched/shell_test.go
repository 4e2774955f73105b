package sched_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// This file runs the core with goroutines, in the one form that is meant: lock,
// event, hand in what is recalled, take the effects, unlock, carry them out.
// It is a pool without tasks, slots, hooks and contexts, and shows what the
// shape costs.

// A call is a job that nobody has a handle of.
type call func()

func (call) Node() *sched.Node { return nil }

const (
	mostInjected = 256
	mostInBatch  = 64
	spins        = 500 // looks at a lock take less time than to sleep for it
)

type spinLock struct{ sync.Mutex }

func (l *spinLock) Lock() {
	for range spins {
		if l.TryLock() {
			return
		}
	}
	l.Mutex.Lock()
}

type line64 [64]byte

// A shell is what stands around a core.
type shell struct {
	_        line64
	inMu     spinLock // guards injected and room; may be taken with mu held
	injected []call
	room     int // how many may be injected without an event
	_        line64

	mu      spinLock // guards what follows
	core    *sched.Core[call]
	spare   []call
	brought bool
	hands   []*hand
	timer   *time.Timer
	began   time.Time
	workers sync.WaitGroup
	idle    chan struct{}
}

// A hand is a worker's goroutine.
type hand struct {
	id    sched.WorkerID
	wake  chan struct{}
	batch []call
	left  atomic.Uint64 // next and end of what is left of batch
}

func newShell(workers int) *shell {
	s := &shell{began: time.Now(), idle: make(chan struct{}, 1), core: sched.New[call](sched.Config{
		Workers: workers, Procs: runtime.GOMAXPROCS(0), Batch: mostInBatch, Queue: 256, QueueTotal: 1024,
	})}
	s.timer = time.AfterFunc(time.Hour, s.timeHasCome)
	return s
}

func (s *shell) now() time.Duration { return time.Since(s.began) }

// Go hands a job in, and blocks while there is no room.
func (s *shell) Go(job call) {
	s.inMu.Lock()
	if len(s.injected) < s.room {
		s.injected = append(s.injected, job)
		s.inMu.Unlock()
		return
	}
	s.inMu.Unlock()
	s.lock()
	verdict, waits := s.core.Submit(s.now(), sched.Request[call]{Job: job}, sched.Wait)
	var ready chan struct{}
	if verdict == sched.Waits {
		ready = make(chan struct{})
		waits.Waiter = ready
	}
	s.unlock()
	if ready != nil {
		<-ready
	}
}

// lock begins an event: nobody injects meanwhile, and what was is told first.
func (s *shell) lock() {
	s.mu.Lock()
	s.inMu.Lock()
	jobs := s.injected
	s.injected, s.room = s.spare[:0], 0
	s.inMu.Unlock()
	if s.spare = jobs; len(jobs) > 0 {
		s.core.Inject(0, jobs)
		s.handIn()
		s.brought = true
		clear(jobs)
	}
}

// unlock ends an event.
func (s *shell) unlock() {
	if s.brought {
		s.brought = false
		s.core.Call(s.now())
	}
	s.handIn()
	room := min(s.core.Room(), mostInjected)
	s.inMu.Lock()
	s.room = room
	s.inMu.Unlock()
	var few [4]sched.Effect[call]
	effects := append(few[:0], s.core.Effects()...)
	for _, e := range effects {
		if e.Kind == sched.Start {
			s.start(e.Worker)
		}
	}
	s.mu.Unlock()
	for _, e := range effects {
		s.carryOut(e)
	}
}

func (s *shell) start(id sched.WorkerID) {
	for int(id) >= len(s.hands) {
		s.hands = append(s.hands, nil)
	}
	s.hands[id] = &hand{id: id, wake: make(chan struct{}, 1), batch: make([]call, mostInBatch)}
	s.workers.Add(1)
	go s.work(s.hands[id])
}

func (s *shell) carryOut(e sched.Effect[call]) {
	switch e.Kind {
	case sched.Wake:
		s.mu.Lock()
		h := s.hands[e.Worker]
		s.mu.Unlock()
		h.wake <- struct{}{}
	case sched.Admit:
		close(e.Submitter.Waiter.(chan struct{}))
	case sched.Alarm:
		s.timer.Reset(e.At - s.now())
	case sched.Idle:
		s.idle <- struct{}{}
	}
}

// handIn takes back what is recalled.
func (s *shell) handIn() {
	for _, id := range s.core.Recalls() {
		h := s.hands[id]
		var left []call
		for job := h.pop(); job != nil; job = h.pop() {
			left = append(left, job)
		}
		s.core.Recalled(id, left, 0)
	}
}

func (s *shell) timeHasCome() {
	s.lock()
	for s.core.Time(s.now()) {
		s.handIn()
	}
	s.unlock()
}

func pack(next, end uint32) uint64 { return uint64(next)<<32 | uint64(end) }

// pop takes the next job of the batch, or returns nil.
func (h *hand) pop() call {
	for {
		old := h.left.Load()
		next, end := uint32(old>>32), uint32(old)
		if next == end {
			return nil
		}
		job := h.batch[next]
		if h.left.CompareAndSwap(old, pack(next+1, end)) {
			return job
		}
	}
}

func (s *shell) work(h *hand) {
	defer s.workers.Done()
	var report sched.Report
	for {
		s.lock()
		now := s.now()
		if report.Jobs > 0 {
			report.Took = now - report.Took // it was the time when they began
		}
		o := s.core.Next(h.id, now, report, h.batch)
		for o.Do == sched.Again {
			s.handIn()
			o = s.core.Next(h.id, now, sched.Report{}, h.batch)
		}
		s.brought = false
		h.left.Store(pack(0, uint32(o.Jobs)))
		s.unlock()
		report = sched.Report{Took: now}
		switch o.Do {
		case sched.Run:
			for job := h.pop(); job != nil; job = h.pop() {
				job()
				report.Jobs++
			}
		case sched.Look:
			runtime.Gosched()
		case sched.Rest:
			<-h.wake
		case sched.End:
			return
		}
	}
}

// Wait blocks until no job is left.
func (s *shell) Wait() {
	s.lock()
	s.core.Watch()
	s.unlock()
	<-s.idle
}

// Close ends the workers when no job is left.
func (s *shell) Close() {
	s.lock()
	s.core.Drain(s.now())
	s.unlock()
	s.workers.Wait()
	s.timer.Stop()
}

func TestACoreWithGoroutinesRunsEachJobOnce(t *testing.T) {
	for _, workers := range []int{1, 3, 64} {
		s := newShell(workers)
		var ran atomic.Int64
		const producers, each = 4, 20_000
		var wg sync.WaitGroup
		for range producers {
			wg.Go(func() {
				for i := range each {
					s.Go(func() {
						if ran.Add(1); i%1000 == 0 {
							runtime.Gosched()
						}
					})
				}
			})
		}
		wg.Wait()
		s.Wait()
		require.EqualValues(t, producers*each, ran.Load())
		s.Close()
	}
}

// Jobs that wait for each other need all workers, after jobs for which few were
// enough; this hangs if one of them is not called.
func TestACoreWithGoroutinesRunsJobsThatWaitForEachOther(t *testing.T) {
	for _, workers := range []int{2, 8, 500} {
		s := newShell(workers)
		for range 10_000 {
			s.Go(func() {})
		}
		var barrier sync.WaitGroup
		barrier.Add(workers)
		for range workers {
			s.Go(func() {
				barrier.Done()
				barrier.Wait()
			})
		}
		s.Wait()
		s.Close()
	}
}

func BenchmarkEmptyJobs(b *testing.B) {
	for _, workers := range []int{1, 8, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d workers", workers), func(b *testing.B) {
			s := newShell(workers)
			var busy sync.WaitGroup // all workers are there before it begins
			busy.Add(workers)
			for range workers {
				s.Go(func() { busy.Done(); busy.Wait() })
			}
			s.Wait()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				s.Go(func() {})
			}
			s.Wait()
			b.StopTimer()
			s.Close()
		})
		b.Run(fmt.Sprintf("a channel and %d goroutines", workers), func(b *testing.B) {
			jobs := make(chan func(), 256)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for job := range jobs {
						job()
					}
				})
			}
			b.ResetTimer()
			for range b.N {
				jobs <- func() {}
			}
			close(jobs)
			wg.Wait()
		})
	}
}
