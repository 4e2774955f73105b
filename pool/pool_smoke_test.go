package pool

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(3)
		require.NoError(t, err)
		var n atomic.Int64
		for range 5000 {
			require.NoError(t, p.Go(func(context.Context) error { n.Add(1); return nil }))
		}
		task := p.Submit(func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() }, Key("x"))
		require.NoError(t, task.Wait(t.Context()))
		require.NoError(t, p.Wait(t.Context()))
		require.EqualValues(t, 5000, n.Load())
		boom := p.Submit(func(ctx context.Context) error { panic("boom") })
		var pe *PanicError
		require.ErrorAs(t, boom.Wait(t.Context()), &pe)
		tries := 0
		r := p.Submit(func(ctx context.Context) error {
			tries++
			if tries < 3 {
				return RetryAfter(time.Minute, errors.New("x"))
			}
			return nil
		})
		require.NoError(t, r.Wait(t.Context()))
		require.Equal(t, 3, tries)
		require.NoError(t, p.Shutdown(t.Context()))
		require.ErrorIs(t, p.Submit(func(context.Context) error { return nil }).Err(), ErrClosed)
		s := p.Stats()
		require.EqualValues(t, s.Submitted, s.Finished)
	})
}

func TestSmokeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(2)
		p, err := New(8, WithSlots(src))
		require.NoError(t, err)
		var now, most atomic.Int64
		var tasks []*Task
		for i := range 100 {
			key := "a"
			if i%3 == 0 {
				key = "b"
			}
			tasks = append(tasks, p.Submit(func(ctx context.Context) error {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(10 * time.Millisecond)
				now.Add(-1)
				return nil
			}, Key(key)))
		}
		for _, task := range tasks {
			require.NoError(t, task.Wait(t.Context()))
		}
		require.EqualValues(t, 4, most.Load())
		require.NoError(t, p.Shutdown(t.Context()))
		require.NoError(t, src.Close(t.Context()))
		s := p.Stats()
		t.Logf("%+v", s)
		require.Zero(t, s.Held)
		require.Zero(t, s.InLine)
	})
}

func BenchmarkGo(b *testing.B) {
	p, _ := New(8)
	defer p.Shutdown(context.Background())
	job := func(context.Context) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		p.Go(job)
	}
	p.Wait(context.Background())
}

func BenchmarkGoParallel(b *testing.B) {
	p, _ := New(8)
	defer p.Shutdown(context.Background())
	job := func(context.Context) error { return nil }
	b.ReportAllocs()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Go(job)
		}
	})
	p.Wait(context.Background())
}

func BenchmarkSubmit512(b *testing.B) {
	p, _ := New(8)
	defer p.Shutdown(context.Background())
	job := func(context.Context) error { return nil }
	b.ReportAllocs()
	ctx := context.Background()
	tasks := make([]*Task, 0, 512)
	for b.Loop() {
		tasks = append(tasks, p.Submit(job))
		if len(tasks) == 512 {
			for _, t := range tasks {
				t.Wait(ctx)
			}
			tasks = tasks[:0]
		}
	}
	p.Wait(context.Background())
}

func BenchmarkPingPong(b *testing.B) {
	p, _ := New(8)
	defer p.Shutdown(context.Background())
	job := func(context.Context) error { return nil }
	b.ReportAllocs()
	ctx := context.Background()
	for b.Loop() {
		p.Submit(job).Wait(ctx)
	}
}

func BenchmarkChannel(b *testing.B) {
	ch := make(chan func(context.Context) error, 256)
	job := func(context.Context) error { return nil }
	done := make(chan struct{})
	for range 8 {
		go func() {
			for j := range ch {
				j(context.Background())
			}
			done <- struct{}{}
		}()
	}
	for b.Loop() {
		ch <- job
	}
	close(ch)
	for range 8 {
		<-done
	}
}

func BenchmarkChannelParallel(b *testing.B) {
	ch := make(chan func(context.Context) error, 256)
	job := func(context.Context) error { return nil }
	done := make(chan struct{})
	for range 8 {
		go func() {
			for j := range ch {
				j(context.Background())
			}
			done <- struct{}{}
		}()
	}
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ch <- job
		}
	})
	close(ch)
	for range 8 {
		<-done
	}
}

func BenchmarkChannelPingPong(b *testing.B) {
	a, c := make(chan int), make(chan int)
	go func() {
		for v := range a {
			c <- v
		}
	}()
	for b.Loop() {
		a <- 1
		<-c
	}
	close(a)
}

func BenchmarkReuse(b *testing.B) {
	p, _ := New(8, WithSlots(slot.NewLocal(8)))
	defer p.Shutdown(context.Background())
	job := func(context.Context) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		p.Go(job)
	}
	p.Wait(context.Background())
}
