package results

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A Machine describes what a run was measured on.
type Machine struct {
	CPU    string
	Cores  int
	Memory string
	Kernel string
	Go     string
}

// ThisMachine describes the machine that this program runs on. What it cannot
// read it calls "unknown".
func ThisMachine() Machine {
	return Machine{
		CPU:    field("/proc/cpuinfo", "model name"),
		Cores:  runtime.GOMAXPROCS(0),
		Memory: memory(field("/proc/meminfo", "MemTotal")),
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		Go:     strings.TrimPrefix(runtime.Version(), "go"),
	}
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s of memory, Linux %s, Go %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.Go)
}

// Load returns the load average of the last minute, or "unknown".
func Load() string {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return first
}

// Today returns the date as results give it.
func Today() string { return time.Now().UTC().Format("2006-01-02 15:04 UTC") }

func field(file, name string) string {
	lines := bufio.NewScanner(strings.NewReader(read(file)))
	for lines.Scan() {
		key, text, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(text)
		}
	}
	return "unknown"
}

func memory(kb string) string {
	var n int64
	if _, err := fmt.Sscanf(kb, "%d kB", &n); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", float64(n)/(1<<20))
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return string(text)
}
