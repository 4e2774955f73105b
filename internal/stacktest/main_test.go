package stacktest_test

import (
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// scratch returns a directory that is removed after all tests.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "berth-stacktest-") })

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := scratch(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}
