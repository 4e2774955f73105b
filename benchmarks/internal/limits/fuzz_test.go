package limits

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPorts reads what the kernel says of its local ports.
func FuzzPorts(f *testing.F) {
	f.Add("32768\t60999\n")
	f.Add("60999 32768")
	f.Add("1")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parsePorts(text)
		if err != nil {
			require.ErrorContains(t, err, fmt.Sprintf("%q", text))
			return
		}
		require.NotZero(t, n)
	})
}
