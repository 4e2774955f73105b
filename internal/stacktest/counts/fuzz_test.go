package counts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzReport reads any line. What is read is written as a line that is read as the same.
func FuzzReport(f *testing.F) {
	f.Add("pool.TestX steps=1 jobs=2 steps=3")
	f.Add("pool.TestX steps=-1")
	f.Add("pool.TestX =1 a==2")
	f.Fuzz(func(t *testing.T, line string) {
		suite, of, err := parse(line)
		if err != nil {
			require.ErrorContains(t, err, "is no report")
			return
		}
		again, sum, err := parse(suite + " " + of.String())
		require.NoError(t, err)
		require.Equal(t, suite, again)
		require.Equal(t, of, sum)
	})
}
