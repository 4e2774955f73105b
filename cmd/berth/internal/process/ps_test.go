//go:build unix

package process

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTableOfPSIsRead(t *testing.T) {
	rows := parsePS("    1     0     1 Ss\n   10     1    10 S+\n   11    10    10 R\n   12    10    12 Z\n junk\n")
	require.Equal(t, []row{{1, 0, 1}, {10, 1, 10}, {11, 10, 10}}, rows)
}

func TestDescendantsAndGroupsAreFoundInTheTable(t *testing.T) {
	rows := []row{{13, 12, 5}, {10, 1, 10}, {11, 10, 10}, {12, 11, 5}, {20, 1, 10}, {21, 20, 21}, {30, 1, 30}, {99, 10, 10}}
	require.ElementsMatch(t, []int{10, 11, 12, 13, 20, 21}, below(rows, []int{10}, []int{10}, []int{99}))
	require.ElementsMatch(t, []int{20, 21}, below(rows, []int{20, 77}, nil, nil))
	require.Empty(t, below(rows, nil, nil, nil))
}

// The columns are those that this system's ps has.
func TestPSShowsThisProcess(t *testing.T) {
	out, err := exec.Command("ps", "-axo", psColumns).Output()
	if err != nil {
		t.Skipf("no ps here: %v", err)
	}
	var found bool
	for _, r := range parsePS(string(out)) {
		found = found || r.pid == os.Getpid() && r.parent == os.Getppid()
	}
	require.True(t, found)
}
