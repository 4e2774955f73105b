package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// childEnv makes the test binary a server of its own, for what must not share
// a process with its clients.
const childEnv = "BERTH_TEST_CHILD"

// childFiles says, if set, how many files the child may have open. Then it logs.
const childFiles = "BERTH_TEST_CHILD_FILES"

// serveAsChild serves on a free loopback port until its input ends.
func serveAsChild() int {
	opts := []Option{
		WithAddress("127.0.0.1:0"), WithReadTimeout(time.Hour), WithMaxLocks(0),
		WithMaxPlacesPerConnection(0), WithMaxSlotsPerConnection(0), WithMaxConnectionsPerIP(0),
	}
	if n, err := strconv.ParseUint(os.Getenv(childFiles), 10, 32); err == nil {
		if err := limitOpenFiles(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		opts = append(opts, WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))), WithMetricsAddress("127.0.0.1:0"))
	}
	s, err := Start(context.Background(), opts...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.Addr(), s.MetricsAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
	return 0
}

// process is a server in a process of its own.
type process struct {
	name    string
	address string
	metrics string // where it serves them, if it does
	pid     int
	began   time.Duration // what cpu was when begin was called
}

// begin notes the processor time used so far.
func (p *process) begin(t testing.TB) { p.began = p.cpu(t) }

// startOurs starts this server in a process of its own.
func startOurs(t testing.TB) *process { return startChild(t, os.Stderr) }

// startChild is startOurs with a place for the log and more environment.
func startChild(t testing.TB, log io.Writer, env ...string) *process {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	p := &process{name: "ours", pid: cmd.Process.Pid}
	_, err = fmt.Fscanln(stdout, &p.address, &p.metrics)
	require.NoError(t, err)
	return p
}

// targets are the servers that a benchmark compares: ours, and the original if
// its program is named.
func targets(b *testing.B) []func(testing.TB) *process {
	all := []func(testing.TB) *process{startOurs}
	if program := os.Getenv(lockserver.Variable); program != "" {
		all = append(all, func(t testing.TB) *process {
			address, pid := startOriginal(t, program, []string{"--max-locks", "1000000", "--read-timeout", "3600"})
			return &process{name: "original", address: address, pid: pid}
		})
	}
	return all
}

// cpu returns the processor time that the process has used, in steps of 10 ms.
func (p *process) cpu(t testing.TB) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		t.Skip("no /proc")
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	user, err := strconv.Atoi(f[11])
	require.NoError(t, err)
	system, err := strconv.Atoi(f[12])
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory returns the resident memory of the process, in bytes.
func (p *process) memory(t testing.TB) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		t.Skip("no /proc")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

func (p *process) dial(t testing.TB) *client {
	nc, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc)
}
