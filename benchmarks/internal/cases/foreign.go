package cases

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// A foreign engine is another program that semaphores can be built on.
type foreign struct {
	binary string
	args   func(port, dir string) []string
	// start is like that of a way; counted returns how many claims the engine
	// has seen since it started.
	start func(addr string, r *run) (next func(), finish func() error, counted func() (int64, error), err error)
}

// startForeign starts the engine in a process of its own.
func (e *Env) startForeign(f foreign) (addr string, stop func(), err error) {
	path, err := exec.LookPath(f.binary)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s is not installed", suite.ErrMissing, f.binary)
	}
	dir, err := os.MkdirTemp(e.dir, f.binary)
	if err != nil {
		return "", nil, err
	}
	if addr, err = proc.FreePort(); err != nil {
		return "", nil, err
	}
	p, err := proc.Start(path, f.args(addr[len("127.0.0.1:"):], dir)...)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Answering(ctx, addr); err != nil {
		p.Stop()
		return "", nil, err
	}
	return addr, p.Stop, nil
}

// foreignClaims measures claims of another engine.
func (e *Env) foreignClaims(f foreign, l load) func(*testing.B) error {
	return func(b *testing.B) error {
		addr, stop, err := e.startForeign(f)
		if err != nil {
			return err
		}
		defer stop()
		r := newRun(l)
		next, finish, counted, err := f.start(addr, r)
		if err != nil {
			return err
		}
		for b.Loop() {
			next()
		}
		if err := timed(b, finish); err != nil {
			return err
		}
		n, err := counted()
		if err != nil {
			return err
		}
		if n != int64(b.N) {
			return fmt.Errorf("%s counted %d claims for %d jobs", f.binary, n, b.N)
		}
		return r.check(int64(b.N))
	}
}
