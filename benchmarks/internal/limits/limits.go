// Package limits reads what the machine allows before a benchmark opens
// thousands of connections, and says what had to be made smaller.
package limits

import (
	"fmt"
	"strings"
)

// Limits are the machine's limits that matter to connections.
type Limits struct {
	Files int // open files of one process
	Ports int // local ports towards one address
}

const (
	spareFiles = 400   // files that a process needs besides its connections
	sparePorts = 4_000 // ports that other benchmarks may still have in TIME_WAIT
)

func parsePorts(s string) (int, error) {
	var low, high int
	if _, err := fmt.Sscan(strings.TrimSpace(s), &low, &high); err != nil || low < 0 || high < low || high > 65535 {
		return 0, fmt.Errorf("range of local ports %q: want two numbers from 0 to 65535, the lower first", s)
	}
	return high - low + 1, nil
}

// Connections returns how many of want connections one process can open to one
// server from the given number of local addresses, and a note that says what was reduced and why, which is empty when
// nothing was.
func (l Limits) Connections(want, addresses int) (n int, note string) {
	files, ports := l.Files-spareFiles, addresses*(l.Ports-sparePorts)
	n = max(1, min(want, files, ports))
	switch {
	case n == want:
		return n, ""
	case files <= ports:
		return n, fmt.Sprintf("%d connections instead of %d: a process may open %d files", n, want, l.Files)
	default:
		return n, fmt.Sprintf("%d connections instead of %d: there are %d local ports", n, want, l.Ports)
	}
}
