package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

const (
	attempts  = 10                     // of a call
	callTime  = 150 * time.Millisecond // for one attempt
	openTime  = 250 * time.Millisecond // the breaker refuses for so long
	openAfter = 5                      // failures in a row
)

// run makes the calls, and returns the exit status.
func run(s settings, stdout, stderr io.Writer) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sv, err := startService(s.seed)
	if err != nil {
		return exitFailed, err
	}
	defer sv.close()
	src, end, err := slots(s.slots)
	if err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, end()) }()

	seen := newObserver(stdout)
	p, err := newPool(s, src, seen, stderr)
	if err != nil {
		return exitFailed, err
	}
	fmt.Fprintf(stdout, "%d calls by %d workers, at most %d under way and %d begun in a second; seed %d\n\n", s.calls, s.workers, s.slots, s.rate, s.seed)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.workers}}
	defer client.CloseIdleConnections()
	for i := range s.calls {
		item := fmt.Sprintf("item-%d", i+1)
		p.SubmitContext(ctx, func(ctx context.Context) error { return call(ctx, client, sv.url(item)) }, pool.Name(item))
	}
	// Wait first: a Shutdown ends at once what backs off.
	if err := errors.Join(p.Wait(ctx), p.Shutdown(ctx)); err != nil && ctx.Err() == nil {
		return exitFailed, err
	}
	fmt.Fprint(stdout, seen.summary(s.slots))
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "interrupted")
		return exitInterrupted, nil
	}
	return seen.status(), nil
}

// slots starts a dflockd server that is reached without a network, and returns
// a source of its slots and what ends both.
func slots(n int) (*dflockd.Source, func() error, error) {
	srv, err := server.Start(context.Background(), server.WithInMemory())
	if err != nil {
		return nil, nil, err
	}
	src, err := dflockd.NewSource(slot.Fixed("berth-chain", n), dflockd.WithServer(srv))
	if err != nil {
		return nil, nil, errors.Join(err, srv.Shutdown(context.Background()))
	}
	return src, func() error {
		ctx := context.Background()
		return errors.Join(src.Close(ctx), srv.Shutdown(ctx))
	}, nil
}

// newPool returns the pool with the chain.
func newPool(s settings, src *dflockd.Source, seen *observer, logs io.Writer) (*pool.Pool, error) {
	level := slog.LevelError + 1 // nothing
	if s.verbose {
		level = slog.LevelInfo
	}
	logger := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level}))
	policy := middleware.MaxAttempts(attempts, middleware.Exponential(50*time.Millisecond, time.Second, middleware.Seed(s.seed)))
	breaker := gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:     openTime,
		MaxRequests: 2, // while half-open
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= openAfter },
		// That an item does not exist is no fault of the service.
		IsSuccessful:  func(err error) bool { return err == nil || errors.Is(err, errMissing) },
		OnStateChange: func(_ string, from, to gobreaker.State) { seen.breaker(from, to) },
	})
	return pool.New(s.workers,
		pool.WithSlots(src),
		pool.WithHooks(seen.hooks()),
		pool.Use(
			middleware.Log(logger),
			middleware.Retry(policy),
			middleware.CircuitBreaker(breaker, middleware.OpenFor(openTime)),
			middleware.RateLimit(rate.NewLimiter(rate.Limit(s.rate), 1)),
			middleware.Timeout(callTime),
		))
}

// What can be wrong with a call, beside what middleware finds.
var (
	errBroken  = errors.New("the service failed")
	errBusy    = errors.New("the service is busy")
	errMissing = errors.New("there is no such item")
)

// call makes one attempt. It knows nothing of retries, but what it is told of
// them: whether they are of use, and when.
func call(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return middleware.Permanent(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		return middleware.Permanent(errMissing)
	case http.StatusServiceUnavailable:
		if wait, ok := middleware.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now()); ok {
			return middleware.WithRetryAfter(errBusy, wait)
		}
		return errBusy
	}
	return fmt.Errorf("%w: %s", errBroken, res.Status)
}
