package cases

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/berth-go/berth/benchmarks/internal/limits"
	"github.com/berth-go/berth/benchmarks/internal/official"
	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// OriginalVariable names the environment variable that holds the path of the
// original server's binary.
const OriginalVariable = "BERTH_ORIGINAL_SERVER"

// ClientVariable names the environment variable that holds the folder of the
// source of a dflockd release with its official Go client.
const ClientVariable = "BERTH_ORIGINAL_CLIENT"

// An Env is where the benchmarks run: the programs that are there, and how
// large the scenarios may be.
type Env struct {
	dir                                      string // scratch, the caller's to remove
	short                                    bool
	limits                                   limits.Limits
	build                                    func() (string, error) // our server, compiled once
	certs                                    func() (certificates, error)
	officialDriver, engineDriver, etcdMember func() (string, error) // programs, compiled once

	mu    sync.Mutex // guards notes
	notes []string
}

// NewEnv returns an environment that keeps its files in dir. In a short one
// the scenarios are small: they check that everything runs.
func NewEnv(ctx context.Context, dir string, short bool) (*Env, error) {
	l, err := limits.Read()
	if err != nil {
		return nil, err
	}
	return &Env{
		dir:    dir,
		short:  short,
		limits: l,
		build: sync.OnceValues(func() (string, error) {
			return proc.Build(ctx, dir, "github.com/berth-go/berth/dflockd/cmd/dflockd")
		}),
		certs: sync.OnceValues(func() (certificates, error) { return newCertificates(dir) }),
		engineDriver: sync.OnceValues(func() (string, error) {
			return proc.Build(ctx, dir, "github.com/berth-go/berth/benchmarks/cmd/engineclaims")
		}),
		etcdMember: sync.OnceValues(func() (string, error) {
			return proc.Build(ctx, dir, "github.com/berth-go/berth/engines/etcd/etcdtest/etcdmember")
		}),
		officialDriver: sync.OnceValues(func() (string, error) {
			source := os.Getenv(ClientVariable)
			if source == "" {
				return "", fmt.Errorf("%w: %s does not name the source of the official client", suite.ErrMissing, ClientVariable)
			}
			return official.Build(ctx, dir, source)
		}),
	}, nil
}

// Notes returns what the scenarios said about their sizes, each once.
func (e *Env) Notes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.notes)
}

func (e *Env) note(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s != "" && !slices.Contains(e.notes, s) {
		e.notes = append(e.notes, s)
	}
}

// size returns how large a scenario is to be: full, or a fiftieth of it in a
// short run.
func (e *Env) size(full int) int {
	if !e.short {
		return full
	}
	e.note("short run: the scenarios have a fiftieth of their size")
	return max(1, full/50)
}

// connections returns how many of want connections the machine allows that
// spread over local addresses as the crowd's do.
func (e *Env) connections(want int) int {
	n, note := e.limits.Connections(want, 1+want/perAddress)
	e.note(note)
	return n
}

// original returns the path of the original server's binary.
func (e *Env) original() (string, error) {
	path := os.Getenv(OriginalVariable)
	if path == "" {
		return "", fmt.Errorf("%w: %s does not name the original server", suite.ErrMissing, OriginalVariable)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s: %w", OriginalVariable, err)
	}
	return path, nil
}
