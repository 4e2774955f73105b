package pool

import (
	"context"
	"testing"

	"github.com/berth-go/berth/slot"
)

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
