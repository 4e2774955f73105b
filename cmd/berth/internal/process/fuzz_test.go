//go:build unix

package process

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPS reads any table of processes.
func FuzzPS(f *testing.F) {
	f.Add("    1     0     1 Ss\n   10     1    10 S+\n   12    10    12 Z\n junk\n")
	f.Add("-1 99999999999999999999 1 R\n1 2 3 R 4 5\r\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows := parsePS(text)
		require.LessOrEqual(t, len(rows), strings.Count(text, "\n")+1)
		for _, r := range rows {
			below(rows, []int{r.pid}, []int{r.group}, []int{r.parent}) // it ends, also where they are each other's parents
		}
	})
}
