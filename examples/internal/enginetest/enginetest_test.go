package enginetest

import (
	"testing"

	"github.com/berth-go/berth/examples/internal/engine"
)

// A recorder is a test that notes whether it was skipped or has failed.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.said = "skipped" }
func (r *recorder) Fatal(args ...any) { r.said = "failed"; panic("the test ends") }

func TestWithoutARedisATestIsSkippedAndFailsInCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		r := &recorder{}
		func() {
			defer func() { _ = recover() }()
			Need(r, engine.Redis)
		}()
		if r.said != want {
			t.Errorf("CI=%q: the test %s", ci, r.said)
		}
	}
}
