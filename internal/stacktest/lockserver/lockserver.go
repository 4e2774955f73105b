// Package lockserver runs programs that are lock servers, for tests: ours, and
// dflockd, the original server, where its program is named.
package lockserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// Variable is the environment variable that names the original server's
// program, of release 1.10 or later. Without it the tests that need the
// original server are skipped.
const Variable = "BERTH_ORIGINAL_SERVER"

// Original returns the original server's program, or skips the test.
func Original(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Variable)
	if path == "" {
		t.Skipf("not run against the original server: %s does not name its program", Variable)
	}
	return path
}

// patience is far longer than a program takes to start: whoever reaches it has
// started something else.
const patience = time.Minute

// Start runs the program on a free loopback port, with the flags given, and
// returns when it answers there. It is killed at the end of the test. Nobody has
// known such a server before, so it needs no grace in which it grants nothing.
func Start(t testing.TB, path string, flags ...string) (address string, cmd *exec.Cmd) {
	t.Helper()
	address = FreeAddress(t)
	return address, start(t, path, address, flags, "DFLOCKD_STARTUP_GRACE_S=0", "DFLOCKD_UNSAFE_SHORT_STARTUP_GRACE=1")
}

// StartAt is Start at an address, where the program may have run before.
func StartAt(t testing.TB, path, address string, flags ...string) *exec.Cmd {
	t.Helper()
	return start(t, path, address, flags)
}

// start runs the program. The settings in the environment of the tests are not
// the program's.
func start(t testing.TB, path, address string, flags []string, env ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--host", host, "--port", port}, flags...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DFLOCKD_") })
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return cmd
		}
		if time.Since(start) > patience {
			t.Fatalf("%s does not answer at %s: %v", path, address, err)
		}
	}
}

// FreeAddress returns a loopback address on which nobody listens now. Its port is
// not one of those that Linux gives to whoever asks for any: other tests do that
// all the time, and would have it before a program listens there, or while it is
// started again.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const first, ports, tries = 10_000, 20_000, 100
	var err error
	for range tries {
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports))); err == nil {
			defer ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal(err)
	return ""
}
