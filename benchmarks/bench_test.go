package benchmarks

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/berth-go/berth/benchmarks/internal/cases"
	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

func TestMain(m *testing.M) {
	proc.RunRole(cases.Roles)
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

func BenchmarkPools(b *testing.B)   { benchmark(b, suite.Pools) }
func BenchmarkClaims(b *testing.B)  { benchmark(b, suite.Claims) }
func BenchmarkEngines(b *testing.B) { benchmark(b, suite.Engines) }
func BenchmarkServers(b *testing.B) { benchmark(b, suite.Servers) }
func BenchmarkUse(b *testing.B)     { benchmark(b, suite.Use) }
func BenchmarkGrowth(b *testing.B)  { benchmark(b, suite.Growth) }

// scratch is where the servers under test are compiled to.
var scratch string

var environment = sync.OnceValues(func() (*cases.Env, error) {
	var err error
	if scratch, err = os.MkdirTemp("", "berth-benchmarks"); err != nil {
		return nil, err
	}
	return cases.NewEnv(context.Background(), scratch, testing.Short())
})

// benchmark runs the sides of an area's groups. Sides that need what is not
// installed here are left out.
func benchmark(b *testing.B, area suite.Area) {
	env, err := environment()
	if err != nil {
		b.Fatal(err)
	}
	for _, g := range env.Groups() {
		if g.Area != area {
			continue
		}
		for _, side := range g.Sides {
			b.Run(g.Name+"/"+side.Name, func(b *testing.B) { side.Benchmark(b) })
		}
	}
}
