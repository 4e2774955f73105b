package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// A watch is a server and a client of it at work, each a process, which live for the
// whole run and whose memory and open files are looked at after each round.
type watch struct {
	address string
	server  *watched
	worker  *watched

	jobs, lost atomic.Int64 // of the worker
	jobsBefore int64        // at the last sample
	idle       bool         // the worker did nothing for a round
}

// A watched is a process and what it had.
type watched struct {
	name    string
	cmd     *exec.Cmd
	stdin   io.Closer
	read    chan struct{} // closed when its output has been read
	samples []usage
}

// settle is how long after a crowd what it had used may still be given back.
const settle = 8 * time.Second

// startWatch builds and starts both.
func startWatch(ctx context.Context, dir string) (*watch, error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), module+"/dflockd/cmd/dflockd", module+"/internal/stacktest/worker")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the server and the worker: %w\n%s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	w := &watch{address: address, server: &watched{name: "the server"}, worker: &watched{name: "the client at work"}}
	host, port, _ := net.SplitHostPort(address)
	if err := w.server.start(exec.Command(filepath.Join(dir, "dflockd"), "--host", host, "--port", port), nil); err != nil {
		return nil, err
	}
	worker := exec.Command(filepath.Join(dir, "worker"), "-server", address, "-limit", "2", "-lease", "60s")
	if err := w.worker.start(worker, w.take); err != nil {
		w.server.stop()
		return nil, err
	}
	return w, nil
}

const module = "github.com/berth-go/berth"

// freeAddress returns a loopback address on which nobody listens now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start starts the process, and has take read what it says line by line.
func (p *watched) start(cmd *exec.Cmd, take func(line string)) (err error) {
	p.cmd, p.read = cmd, make(chan struct{})
	cmd.Env = clean(os.Environ())
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if take != nil {
				take(lines.Text())
			}
		}
	}()
	return nil
}

// clean returns an environment without settings of the server.
func clean(env []string) (left []string) {
	for _, v := range env {
		if !strings.HasPrefix(v, "DFLOCKD_") {
			left = append(left, v)
		}
	}
	return left
}

// stop ends the process.
func (p *watched) stop() {
	_ = p.cmd.Process.Kill()
	<-p.read
	_ = p.cmd.Wait() // a killed process has no good exit
}

func (w *watch) stop() {
	w.worker.stop()
	w.server.stop()
}

// take counts what the worker says of its jobs.
func (w *watch) take(line string) {
	switch what, _, _ := strings.Cut(line, " "); what {
	case "end":
		w.jobs.Add(1)
	case "lost":
		w.lost.Add(1)
	}
}

// sample notes what both processes have now. What the server has counts after a crowd
// only: then it has had all that it will have.
func (w *watch) sample(crowded bool) {
	jobs := w.jobs.Load()
	w.idle = w.idle || jobs == w.jobsBefore
	w.jobsBefore = jobs
	w.worker.sample()
	if crowded {
		time.Sleep(settle)
		w.server.sample()
	}
}

func (p *watched) sample() {
	if u, ok := usageOf(p.cmd.Process.Pid); ok {
		p.samples = append(p.samples, u)
	}
}

// verdict returns an error if something grew, or the client did not get on.
func (w *watch) verdict() error {
	var errs []error
	for _, p := range []*watched{w.server, w.worker} {
		if err := grown(p.samples); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	if lost := w.lost.Load(); lost > 0 {
		errs = append(errs, fmt.Errorf("the client at work lost %d slots, though nothing broke its connection", lost))
	}
	if w.idle {
		errs = append(errs, errors.New("the client at work did no job while a round went on"))
	}
	return errors.Join(errs...)
}
