package peer

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// ants starts a pool of its own when it is imported.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func TestEveryPoolRunsEachJobOnce(t *testing.T) {
	const jobs = 5000
	for _, p := range Pools {
		t.Run(p.Name, func(t *testing.T) {
			var ran atomic.Int64
			submit, finish := p.Start(4, func() { ran.Add(1) })
			for range jobs {
				submit()
			}
			require.NoError(t, finish())
			require.EqualValues(t, jobs, ran.Load())
		})
	}
}
