//go:build unix

package process

import (
	"slices"
	"strconv"
	"strings"
)

// psColumns is what parsePS reads, in a form that each ps has.
const psColumns = "pid=,ppid=,pgid=,stat="

// A row is a process as ps shows it.
type row struct{ pid, parent, group int }

// parsePS reads the table, without processes that have ended and were not reaped.
func parsePS(text string) []row {
	var rows []row
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(f[3], "Z") {
			continue
		}
		pid, err1 := strconv.Atoi(f[0])
		parent, err2 := strconv.Atoi(f[1])
		group, err3 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && err3 == nil {
			rows = append(rows, row{pid, parent, group})
		}
	}
	return rows
}

// below returns the roots that are in the table, what descends from them, what is
// in one of the groups, and what descends from that; but none of without.
func below(rows []row, roots, groups, without []int) []int {
	var found []int
	for {
		n := len(found)
		for _, r := range rows {
			in := slices.Contains(roots, r.pid) || slices.Contains(groups, r.group) || slices.Contains(found, r.parent)
			if in && !slices.Contains(found, r.pid) && !slices.Contains(without, r.pid) {
				found = append(found, r.pid)
			}
		}
		if len(found) == n {
			return found
		}
	}
}
