package dflockd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// startServer starts a server in this process, on a free port.
func startServer(opts ...server.Option) (address string, stop func()) {
	srv, err := server.Start(context.Background(), append(opts, server.WithAddress("127.0.0.1:0"))...)
	if err != nil {
		log.Fatal(err)
	}
	return srv.Addr().String(), srv.Close
}

// A pool's workers, here and on other machines, share two slots.
func ExampleNewSource() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()
	src, err := dflockd.NewSource(slot.Fixed("crawl", 2), dflockd.WithServers(addr), dflockd.WithLease(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close(ctx)
	if err := src.Ping(ctx); err != nil {
		log.Fatal(err)
	}

	for range 3 {
		s, ok, err := slot.Try(ctx, src, "")
		if err != nil {
			log.Fatal(err)
		}
		if !ok {
			fmt.Println("both slots are taken")
			continue
		}
		defer s.Release()
		fmt.Println("a slot; it ends with", s.Context().Err())
	}
	// Output:
	// a slot; it ends with <nil>
	// a slot; it ends with <nil>
	// both slots are taken
}

// A server in this process, without a port: for tests, and for programs that need
// no second machine yet.
func ExampleWithServer() {
	ctx := context.Background()
	srv, err := server.Start(ctx, server.WithInMemory())
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	lock, err := dflockd.NewLock("report", dflockd.WithServer(srv))
	if err != nil {
		log.Fatal(err)
	}
	err = lock.WithLock(ctx, func(ctx context.Context) error {
		fmt.Println("nobody else writes the report now")
		return nil
	})
	fmt.Println(err)
	// Output:
	// nobody else writes the report now
	// <nil>
}

// With slot.Keyed there is a semaphore for each key: here, one slot for each host.
func ExampleNewSource_keyed() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()
	src, err := dflockd.NewSource(slot.Keyed("crawl:", 1), dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close(ctx)

	for _, host := range []string{"a.example", "b.example", "a.example"} {
		_, ok, err := src.Try(ctx, host)
		fmt.Println(host, ok, err)
	}
	_, _, err = src.Try(ctx, "")
	fmt.Println(errors.Is(err, slot.ErrKey))
	// Output:
	// a.example true <nil>
	// b.example true <nil>
	// a.example false <nil>
	// true
}

// A place in line is taken first and waited for later.
func ExampleSource_Enqueue() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()
	src, err := dflockd.NewSource(slot.Fixed("crawl", 1), dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close(ctx)

	first, _ := src.Enqueue(ctx, "")
	held, ok := first.Slot()
	fmt.Println("granted at once:", ok)
	second, _ := src.Enqueue(ctx, "")
	_, ok = second.Slot()
	fmt.Println("granted at once:", ok)
	if err := held.Release(); err != nil {
		log.Fatal(err)
	}
	s, err := second.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("had to wait in line:", s.Info().Queued)
	// Output:
	// granted at once: true
	// granted at once: false
	// had to wait in line: true
}

// A lock is held by one at a time. What runs under it gets a context that ends
// if the lock is lost.
func ExampleLock_WithLock() {
	addr, stop := startServer()
	defer stop()
	lock, err := dflockd.NewLock("report", dflockd.WithServers(addr), dflockd.WithAcquireTimeout(time.Second))
	if err != nil {
		log.Fatal(err)
	}
	err = lock.WithLock(context.Background(), func(ctx context.Context) error {
		fmt.Println("writing the report:", lock.Key())
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// writing the report: report
	// <nil>
}

// The two phases: join the line, and wait.
func ExampleSemaphore_Enqueue() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()
	a, err := dflockd.NewSemaphore("upload", 1, dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	b, err := dflockd.NewSemaphore("upload", 1, dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	status, _ := a.Enqueue(ctx)
	fmt.Println("a:", status)
	status, _ = b.Enqueue(ctx)
	fmt.Println("b:", status)
	_ = a.Release()
	ok, _ := b.Wait(ctx)
	fmt.Println("b:", ok)
	fmt.Println(b.Release())
	fmt.Println(errors.Is(b.Release(), dflockd.ErrClosed))
	// Output:
	// a: acquired
	// b: queued
	// b: true
	// <nil>
	// true
}

// A slot that the server takes away is reported, and its context ends.
func ExampleWithOnLost() {
	addr, stop := startServer()
	lost := make(chan string)
	lock, err := dflockd.NewLock("leader", dflockd.WithServers(addr),
		dflockd.WithOnLost(func(key, _ string) { lost <- key }))
	if err != nil {
		log.Fatal(err)
	}
	if ok, err := lock.Acquire(context.Background()); !ok || err != nil {
		log.Fatal(ok, err)
	}
	ctx := lock.Context()
	stop() // the server goes
	fmt.Println("lost:", <-lost)
	fmt.Println(errors.Is(context.Cause(ctx), slot.ErrLost))
	fmt.Println(errors.Is(lock.Release(), slot.ErrLost))
	// Output:
	// lost: leader
	// true
	// true
}

// Errors say what happened, to which key and server, and what to do.
func ExampleError() {
	lock, err := dflockd.NewLock("report", dflockd.WithServers("127.0.0.1:1"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = lock.Acquire(context.Background())
	var e *dflockd.Error
	if errors.As(err, &e) {
		fmt.Println(e.Op, e.Key, e.Server, errors.Is(err, slot.ErrUnavailable))
	}
	// Output:
	// claim report 127.0.0.1:1 true
}

// Stats tells what each server holds.
func ExampleStats() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()
	sem, err := dflockd.NewSemaphore("upload", 3, dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	defer sem.Close()
	if ok, err := sem.Acquire(ctx); !ok || err != nil {
		log.Fatal(ok, err)
	}
	all, err := dflockd.Stats(ctx, dflockd.WithServers(addr))
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range all[0].Semaphores {
		fmt.Printf("%s: %d of %d held, %d wait\n", s.Key, s.Holders, s.Limit, s.Waiters)
	}
	// Output:
	// upload: 1 of 3 held, 0 wait
}

// Several servers are shards: each key lives on one of them.
func ExampleStableHashShard() {
	for _, key := range []string{"a.example", "b.example", "c.example"} {
		fmt.Println(key, dflockd.StableHashShard(key, 3))
	}
	// Output:
	// a.example 0
	// b.example 2
	// c.example 2
}
