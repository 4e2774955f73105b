//go:build unix

package dflockd

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stop freezes a process until resume.
func stop(t *testing.T, p *os.Process) {
	require.NoError(t, p.Signal(syscall.SIGSTOP))
}

func resume(t *testing.T, p *os.Process) {
	require.NoError(t, p.Signal(syscall.SIGCONT))
}
