package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/pool"
)

const (
	// giveBackTime is how long a worker that has finished may take to give its
	// slots back.
	giveBackTime = 200 * time.Millisecond

	// hangUpTime is how long a worker without a parent may take to give its
	// slots back.
	hangUpTime = 3 * time.Second
)

// errHungUp is why a worker stops at once.
var errHungUp = errors.New("the parent process has closed the pipe")

// errDraining is why a request is not made.
var errDraining = errors.New("the worker was told to finish")

// An outside is what a worker process reaches beyond its pipes.
type outside struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	source sourceMaker                                                          // nil: the engine that the setup names
	people io.Writer                                                            // who are told where the dashboard is
}

// workerMain is a worker process: it fetches the URLs that it reads, and writes
// what became of each.
func workerMain(stdin io.Reader, stdout, stderr io.Writer) int {
	// The terminal sends Ctrl-C to all processes, but only the parent acts on
	// it. And a parent that is gone is learned from stdin; writing to it must
	// not end the process before it has given its slots back.
	signal.Ignore(os.Interrupt, syscall.SIGPIPE)
	err := work(stdin, stdout, outside{people: stderr})
	if err != nil && !errors.Is(err, errHungUp) {
		fmt.Fprintln(stderr, err)
	}
	if err != nil {
		return exitFailed
	}
	return exitOK
}

func work(stdin io.Reader, stdout io.Writer, o outside) error {
	commands := pipe.NewReader[pipe.Command](stdin)
	first, err := commands.Read()
	if err != nil || first.Setup == nil {
		return errors.New("this is for the crawler's own use: start it without arguments")
	}
	f, err := newFetching(*first.Setup, stdout, o)
	if err != nil {
		return err
	}
	ctx, hangUp := context.WithCancelCause(context.Background())
	defer hangUp(nil)
	drain := make(chan time.Duration, 1)
	// This goroutine ends when stdin does. When the worker was told to drain,
	// that is with the process.
	go func() { hangUp(f.serve(ctx, commands, drain)) }()

	within := time.Duration(0)
	select {
	case within = <-drain:
	case <-ctx.Done():
	}
	return f.close(ctx, within)
}

// A fetching is a pool of workers that fetch pages, each under its slots.
type fetching struct {
	setup    pipe.Setup
	pool     *pool.Pool
	claims   *claims // nil: no slots are claimed
	fetcher  *page.Fetcher
	patience *patience
	out      *pipe.Writer[pipe.Result]
	board    *board.Page    // of the pool; nil: none
	draining atomic.Bool    // no request is begun any more
	waits    sync.WaitGroup // a goroutine for each URL that is not done: a window of them at most
}

func newFetching(s pipe.Setup, stdout io.Writer, o outside) (*fetching, error) {
	f := &fetching{
		setup:    s,
		fetcher:  page.NewFetcher(page.Config{Agent: s.UserAgent, Conns: s.Workers, Whole: s.Local, Dial: o.dial}),
		patience: newPatience(s.MaxWait),
		out:      pipe.NewWriter[pipe.Result](stdout),
	}
	// The parent never sends more than a window, so that a submit never blocks.
	options := []pool.Option{pool.WithQueue(s.Window), pool.WithQueueTotal(s.Window)}
	var err error
	if s.Server != "" {
		if f.claims, err = newClaims(s, o.source); err != nil {
			return nil, err
		}
		options = append(options, f.claims.options(s)...)
	}
	if s.HTTP == "" {
		f.pool, err = pool.New(s.Workers, options...)
		return f, err
	}
	return f, f.open(options, o.people)
}

// open makes the pool, and its dashboard.
func (f *fetching) open(options []pool.Option, people io.Writer) error {
	rec, err := dashboard.NewRecorder()
	if err != nil {
		return err
	}
	f.pool, err = pool.New(f.setup.Workers, append(options, pool.WithHooks(rec.Hooks()))...)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("worker %d", f.setup.Worker)
	f.board, err = board.Serve(f.setup.HTTP, dashboard.Pool{Name: name, Pool: f.pool, Recorder: rec})
	if err == nil {
		fmt.Fprintf(people, "its pool is shown at %s\n", f.board.URL)
	}
	return err
}

// serve submits the URLs that the parent sends. It passes on when to drain, and
// returns why there is nothing more to read.
func (f *fetching) serve(ctx context.Context, commands *pipe.Reader[pipe.Command], drain chan<- time.Duration) error {
	for {
		c, err := commands.Read()
		switch {
		case errors.Is(err, io.EOF):
			return errHungUp
		case err != nil:
			return err
		case c.Drain:
			f.draining.Store(true)
			drain <- c.Within
		case c.Pause != nil:
			f.patience.told(*c.Pause)
		default:
			f.submit(ctx, c)
		}
	}
}

// submit fetches a URL as a job whose key is the URL's host, under which its
// slots are claimed, and reports what became of it.
func (f *fetching) submit(ctx context.Context, c pipe.Command) {
	v := &visit{fetching: f, Command: c}
	if f.claims != nil {
		f.claims.setPace(c.Host, c.Pace)
	}
	task := f.pool.SubmitContext(ctx, v.attempt, pool.Key(c.Host), pool.Name(c.URL), pool.After(c.Wait))
	f.waits.Go(func() {
		err := task.Wait(context.Background())
		// An error here means that there is no parent, which serve finds out.
		_ = f.out.Write(v.result(err))
	})
}

// close finishes the requests that are under way within a time, or cancels it once ctx has
// ended, and gives the slots back.
func (f *fetching) close(ctx context.Context, within time.Duration) error {
	finish, cancel := context.WithTimeoutCause(ctx, within, errors.New("told to drain, but out of time"))
	defer cancel()
	defer exitIfStuck(ctx)()

	err := f.pool.Shutdown(finish)
	if finish.Err() != nil {
		err = context.Cause(ctx) // what was cut short is reported URL by URL
	}
	f.waits.Wait()
	f.fetcher.Close()
	err = errors.Join(err, f.board.Close())
	if f.claims != nil {
		err = errors.Join(err, f.giveBack(ctx))
	}
	return err
}

// giveBack ends the claims. A start that is not old enough yet goes back early
// after Linger: the last one of a crawl may be followed sooner by another's.
func (f *fetching) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(f.setup.Linger, giveBackTime))
	defer cancel()
	return f.claims.close(ctx)
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
