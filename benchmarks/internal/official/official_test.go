package official

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/benchmarks/internal/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a client with the names of the official one and slots of one process.
const fake = `package client

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
)

type Semaphore struct {
	Key       string
	Limit     int
	Servers   []string
	AuthToken string
	TLSConfig *tls.Config
}

var (
	mu    sync.Mutex
	slots = map[string]chan bool{}
)

func (s *Semaphore) line() chan bool {
	mu.Lock()
	defer mu.Unlock()
	if slots[s.Key] == nil {
		slots[s.Key] = make(chan bool, s.Limit)
	}
	return slots[s.Key]
}

func (s *Semaphore) Acquire(context.Context) (bool, error) {
	if s.Servers[0] == "down" {
		return false, errors.New("nobody is there")
	}
	s.line() <- true
	return true, nil
}

func (s *Semaphore) Release(context.Context) error { <-s.line(); return nil }
func (s *Semaphore) Close() error                  { return nil }
`

func build(t *testing.T, client string) (string, error) {
	source := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(source, "go.mod"), []byte("module "+module+"\n\ngo 1.23\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(source, "client"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(source, "client", "client.go"), []byte(client), 0o644))
	return Build(t.Context(), t.TempDir(), source)
}

func TestTheDriverRunsEachJobOnce(t *testing.T) {
	program, err := build(t, fake)
	require.NoError(t, err)
	for _, jobs := range []int64{0, 1, 1000} {
		d, err := driver.Start(program, "-addr", "here", "-workers", "4", "-keys", "2", "-limit", "2", "-job", "1us")
		require.NoError(t, err)
		for range jobs {
			d.Next()
		}
		r, err := d.Finish()
		require.NoError(t, err)
		require.Equal(t, jobs, r.Ran)
		require.Equal(t, jobs, r.Counted)
		require.LessOrEqual(t, r.Most, int64(2))
	}
}

func TestAClientThatFailsEndsTheDriver(t *testing.T) {
	program, err := build(t, fake)
	require.NoError(t, err)
	d, err := driver.Start(program, "-addr", "down")
	require.NoError(t, err)
	for range 1000 {
		d.Next()
	}
	_, err = d.Finish()
	require.ErrorContains(t, err, "exit status 1")
}

func TestASourceThatDoesNotCompileIsReported(t *testing.T) {
	_, err := build(t, "package client\n")
	require.ErrorContains(t, err, "client.Semaphore")
}
