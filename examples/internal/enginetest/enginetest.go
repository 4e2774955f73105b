// Package enginetest says which engines a test can start on this machine.
package enginetest

import (
	"os"
	"os/exec"
	"testing"

	"github.com/berth-go/berth/examples/internal/engine"
)

// Need skips a test that starts an engine which cannot be had here, and says why. Where
// CI is true, all can be had.
func Need(t testing.TB, kind engine.Kind) {
	t.Helper()
	switch kind {
	case engine.Etcd:
		if testing.Short() {
			t.Skip("not run with etcd: -short leaves out what go has to compile first")
		}
	case engine.Redis:
		if _, err := exec.LookPath("redis-server"); err == nil {
			return
		}
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to have redis-server on the path")
		}
		t.Skip("not run with Redis: redis-server is not on the path")
	}
}
