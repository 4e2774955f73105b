package limits

import (
	"fmt"
	"os"
	"syscall"
)

// Read raises the soft limit of open files to the hard one and returns what is
// allowed then.
func Read() (Limits, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return Limits{}, fmt.Errorf("reading the limit of open files: %w", err)
	}
	if files.Cur < files.Max {
		files.Cur = files.Max
		// A refusal leaves the soft limit, which is read back below.
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			return Limits{}, fmt.Errorf("reading the limit of open files: %w", err)
		}
	}
	ports, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return Limits{}, fmt.Errorf("reading the range of local ports: %w", err)
	}
	n, err := parsePorts(string(ports))
	if err != nil {
		return Limits{}, err
	}
	return Limits{Files: int(min(files.Cur, 1<<30)), Ports: n}, nil
}
