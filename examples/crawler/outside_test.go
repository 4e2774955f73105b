package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/examples/crawler/internal/fleet"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/trouble"
	"github.com/berth-go/berth/examples/internal/progress"
	"github.com/berth-go/berth/slot"
)

// A crawled is a crawl that was run in a bubble: its workers are goroutines, and
// the web and the dflockd server are in memory.
type crawled struct {
	*report
	err  error
	web  *trouble.Web
	took time.Duration
	// kills is how many workers did not end by themselves, or were killed by -kill.
	kills int32
}

// crawlWeb crawls sites, from the top of each of the hosts named, with the flags
// given. At the time interruptAt, if it is not 0, somebody presses Ctrl-C.
func crawlWeb(t *testing.T, sites map[string]trouble.Site, interruptAt time.Duration, flags ...string) (done crawled) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { done = startOutside(t, sites).crawl(t, interruptAt, flags...) })
	return done
}

// An outsideWorld is what crawls of one bubble share.
type outsideWorld struct {
	web *trouble.Web
	outside
	silence *os.File
}

// startOutside starts a web and a dflockd server in memory, until the test ends.
func startOutside(t *testing.T, sites map[string]trouble.Site) *outsideWorld {
	web := trouble.NewWeb(sites)
	t.Cleanup(web.Start())
	srv, err := server.Start(t.Context(), server.WithInMemory(), server.WithDefaultLease(lease), server.WithAutoRelease(false))
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	silence, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { silence.Close() })
	toServer := func(ctx context.Context, _, _ string) (net.Conn, error) { return srv.Dial(ctx) }
	return &outsideWorld{web, outside{dial: web.Dial, source: func(s pipe.Setup, l slot.Limits) (slot.Source, error) {
		return dflockd.NewSource(l, dflockd.WithServers(s.Server), dflockd.WithLease(s.Lease), dflockd.WithDialer(toServer))
	}}, silence}
}

// crawl crawls, see crawlWeb.
func (o *outsideWorld) crawl(t *testing.T, interruptAt time.Duration, flags ...string) (done crawled) {
	s, err := parse(flags, io.Discard)
	require.NoError(t, err)
	w := &world{starts: s.urls, server: "memory:1", launch: inProcess(o.outside, &done.kills)}
	interrupts := make(chan os.Signal, 1)
	if interruptAt > 0 {
		time.AfterFunc(interruptAt, func() { interrupts <- os.Interrupt })
	}
	c := newCrawl(s, w, progress.New(o.silence), interrupts)
	began := time.Now()
	done.err = c.run()
	done.took, done.web, done.report = time.Since(began), o.web, c.report()
	return done
}

// inProcess starts workers as goroutines of this process, and counts those that
// are killed.
func inProcess(o outside, kills *int32) launcher {
	return func(setup pipe.Setup, _ io.Writer, events chan<- fleet.Event) (*fleet.Worker, error) {
		stdin, commands := io.Pipe()
		results, stdout := io.Pipe()
		p := &thread{commands: commands, results: results, stdout: stdout, ended: make(chan error, 1), kills: kills}
		go func() {
			err := work(stdin, stdout, o)
			stdout.Close()
			p.ended <- err
		}()
		return fleet.Attach(p, setup, events), nil
	}
}

// A thread is a worker without a process.
type thread struct {
	commands *io.PipeWriter
	results  *io.PipeReader
	stdout   *io.PipeWriter // the other end of results
	ended    chan error
	kills    *int32 // written by the crawl's goroutine
}

var errKilled = errors.New("killed")

func (p *thread) Stdin() io.WriteCloser { return p.commands }
func (p *thread) Stdout() io.Reader     { return p.results }
func (p *thread) Wait() error           { return <-p.ended }
func (p *thread) PID() int              { return 0 }

// Kill does to a thread what the loss of its pipes does: it stops by itself.
func (p *thread) Kill() error {
	*p.kills++
	p.stdout.Close()
	return p.commands.CloseWithError(errKilled)
}
