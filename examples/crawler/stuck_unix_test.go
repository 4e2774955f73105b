//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A worker that does not heed the interrupt is killed: this one is stopped.
func TestInterruptEndsAWorkerThatIsStuck(t *testing.T) {
	t.Parallel() // it mostly waits
	asked := make(chan bool, 100)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer site.Close()
	r := built.Start(t, "-url", site.URL)
	<-asked
	r.SignalAll(syscall.SIGSTOP)
	r.Signal(syscall.SIGCONT)
	r.Signal(syscall.SIGINT)
	require.Equal(t, exitInterrupted, r.Wait())
	require.Contains(t, r.Out, "interrupted before all was done", "with a summary")
	require.False(t, r.Alive())
}
