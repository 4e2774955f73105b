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

// foreignClaims measures claims of another engine, in a process of its own.
func (e *Env) foreignClaims(f foreign, l load) func(*testing.B) error {
	return func(b *testing.B) error {
		path, err := exec.LookPath(f.binary)
		if err != nil {
			return fmt.Errorf("%w: %s is not installed", suite.ErrMissing, f.binary)
		}
		dir, err := os.MkdirTemp(e.dir, f.binary)
		if err != nil {
			return err
		}
		addr, err := proc.FreePort()
		if err != nil {
			return err
		}
		p, err := proc.Start(path, f.args(addr[len("127.0.0.1:"):], dir)...)
		if err != nil {
			return err
		}
		defer p.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.Answering(ctx, addr); err != nil {
			return err
		}
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
