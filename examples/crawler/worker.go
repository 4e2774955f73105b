package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/pool"
)

const (
	// drainTime is how long a worker that was told to finish may take. What it
	// has not fetched by then goes back to the parent.
	drainTime = 10 * time.Second

	// hangUpTime is how long a worker without a parent may take to give its
	// slots back.
	hangUpTime = 3 * time.Second
)

// errHungUp is why a worker stops at once.
var errHungUp = errors.New("the parent process has closed the pipe")

// workerMain is a worker process: it fetches the URLs that it reads, and writes
// what became of each.
func workerMain(stdin io.Reader, stdout, stderr io.Writer) int {
	// The terminal sends Ctrl-C to all processes, but only the parent acts on
	// it. And a parent that is gone is learned from stdin; writing to it must
	// not end the process before it has given its slots back.
	signal.Ignore(os.Interrupt, syscall.SIGPIPE)
	err := work(stdin, stdout)
	if err != nil && !errors.Is(err, errHungUp) {
		fmt.Fprintln(stderr, err)
	}
	if err != nil {
		return exitFailed
	}
	return exitOK
}

func work(stdin io.Reader, stdout io.Writer) error {
	commands := pipe.NewReader[pipe.Command](stdin)
	first, err := commands.Read()
	if err != nil || first.Setup == nil {
		return errors.New("this is for the crawler's own use: start it without arguments")
	}
	f, err := newFetching(*first.Setup, stdout)
	if err != nil {
		return err
	}
	ctx, hangUp := context.WithCancelCause(context.Background())
	defer hangUp(nil)
	drain := make(chan struct{})
	// This goroutine ends when stdin does. When the worker was told to drain,
	// that is with the process.
	go func() { hangUp(f.serve(ctx, commands, drain)) }()

	select {
	case <-drain:
	case <-ctx.Done():
	}
	return f.close(ctx)
}

// A fetching is a pool of workers that fetch pages, each under its slots.
type fetching struct {
	pool    *pool.Pool
	claims  *claims // nil: no slots are claimed
	fetcher *page.Fetcher
	out     *pipe.Writer[pipe.Result]
	waits   sync.WaitGroup // a goroutine for each URL that is not done: a window of them at most
}

func newFetching(s pipe.Setup, stdout io.Writer) (*fetching, error) {
	f := &fetching{
		fetcher: page.NewFetcher(s.UserAgent, s.Workers),
		out:     pipe.NewWriter[pipe.Result](stdout),
	}
	// The parent never sends more than a window, so that a submit never blocks.
	options := []pool.Option{pool.WithQueue(s.Window), pool.WithQueueTotal(s.Window)}
	var err error
	if s.Server != "" {
		if f.claims, err = newClaims(s); err != nil {
			return nil, err
		}
		options = append(options, f.claims.options()...)
	}
	f.pool, err = pool.New(s.Workers, options...)
	return f, err
}

// serve submits the URLs that the parent sends. It closes drain when it is told
// to, and returns why there is nothing more to read.
func (f *fetching) serve(ctx context.Context, commands *pipe.Reader[pipe.Command], drain chan<- struct{}) error {
	for {
		c, err := commands.Read()
		switch {
		case errors.Is(err, io.EOF):
			return errHungUp
		case err != nil:
			return err
		case c.Drain:
			close(drain)
		default:
			f.submit(ctx, c)
		}
	}
}

// submit fetches a URL as a job whose key is the page's host, under which its
// slots are claimed, and reports what became of it.
func (f *fetching) submit(ctx context.Context, c pipe.Command) {
	var got page.Page
	task := f.pool.SubmitContext(ctx, func(ctx context.Context) (err error) {
		got, err = f.fetcher.Fetch(ctx, c.URL)
		if err != nil && ctx.Err() == nil {
			return siteError{err}
		}
		return err
	}, pool.Key(c.Host))
	f.waits.Go(func() {
		err := task.Wait(context.Background())
		// An error here means that there is no parent, which serve finds out.
		_ = f.out.Write(result(c.URL, got, err))
	})
}

// A siteError is the site's fault. Any other error of a job says nothing about
// its URL: the slot was lost or could not be claimed, or the pool was shut down.
type siteError struct{ error }

func result(url string, got page.Page, err error) pipe.Result {
	r := pipe.Result{URL: url, Status: got.Status, Bytes: got.Bytes, Links: got.Links}
	if err != nil {
		var site siteError
		r = pipe.Result{URL: url, Err: err.Error(), Again: !errors.As(err, &site)}
	}
	return r
}

// close finishes what was submitted, or cancels it once ctx has ended, and
// gives the slots back.
func (f *fetching) close(ctx context.Context) error {
	finish, cancel := context.WithTimeoutCause(ctx, drainTime, errors.New("told to drain, but out of time"))
	defer cancel()
	defer exitIfStuck(ctx)()

	err := f.pool.Shutdown(finish)
	if finish.Err() != nil {
		err = context.Cause(ctx) // what was cut short is reported URL by URL
	}
	f.waits.Wait()
	f.fetcher.Close()
	if f.claims != nil {
		err = errors.Join(err, f.claims.close(ctx))
	}
	return err
}

// exitIfStuck ends the process when it is still not stopped some time after the
// end of ctx: without a parent, nobody else would.
func exitIfStuck(ctx context.Context) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
		case <-stopped:
			return
		}
		select {
		case <-time.After(hangUpTime):
			os.Exit(exitFailed)
		case <-stopped:
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}
