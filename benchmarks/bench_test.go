package benchmarks

import (
	"testing"

	"github.com/berth-go/berth/benchmarks/internal/cases"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

func BenchmarkPools(b *testing.B) { area(b, suite.Pools) }

func area(b *testing.B, a suite.Area) {
	for _, g := range cases.Groups(&cases.Env{}) {
		if g.Area != a {
			continue
		}
		for _, side := range g.Sides {
			b.Run(g.Name+"/"+side.Name, func(b *testing.B) {
				b.ReportAllocs()
				if err := side.Run(b); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*max(1, side.Jobs)), suite.PerJob)
			})
		}
	}
}
