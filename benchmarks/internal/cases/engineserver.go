package cases

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// An engine is a server that slots lie on. It runs in a process of its own.
type engine struct {
	name string
	find func(e *Env) (program string, err error)
	args func(addr, dir string) []string
}

// The engines, as somebody would have them who takes what is given: dflockd keeps
// nothing, etcd has each claim on its disk before it answers, Redis writes nothing down.
var (
	onDflockd = engine{
		name: "dflockd",
		find: func(e *Env) (string, error) { return e.build() },
		args: func(addr, _ string) []string {
			host, port, _ := net.SplitHostPort(addr)
			return []string{"--host", host, "--port", port, "--max-locks", "4000000"}
		},
	}
	onEtcd = engine{
		name: "etcd",
		find: func(e *Env) (string, error) { return e.etcdMember() },
		args: func(addr, dir string) []string { return []string{"-addr", addr, "-dir", dir} },
	}
	onRedis = engine{
		name: "redis",
		find: func(*Env) (string, error) {
			path, err := exec.LookPath("redis-server")
			if err != nil {
				return "", fmt.Errorf("%w: redis-server is not installed", suite.ErrMissing)
			}
			return path, nil
		},
		args: func(addr, dir string) []string {
			host, port, _ := net.SplitHostPort(addr)
			return []string{"--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "no"}
		},
	}
)

// startEngine starts an engine with nothing in it.
func (e *Env) startEngine(on engine) (p *proc.Process, addr string, err error) {
	program, err := on.find(e)
	if err != nil {
		return nil, "", err
	}
	dir, err := os.MkdirTemp(e.dir, on.name)
	if err != nil {
		return nil, "", err
	}
	if addr, err = proc.FreePort(); err != nil {
		return nil, "", err
	}
	if p, err = proc.Start(program, on.args(addr, dir)...); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Answering(ctx, addr); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, addr, nil
}
