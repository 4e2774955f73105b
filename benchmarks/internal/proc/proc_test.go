package proc

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	RunRole(map[string]Role{
		"idle":  func([]string) error { return nil },
		"busy":  func([]string) error { go burn(); return nil },
		"fails": func(args []string) error { return fmt.Errorf("refused %q", args) },
		"serves": func(args []string) error {
			_, err := net.Listen("tcp", args[0])
			return err
		},
	})
	goleak.VerifyTestMain(m)
}

// burn uses processor time for as long as its process lives.
func burn() {
	for n := new(atomic.Int64); ; n.Add(1) {
	}
}

func TestAChildIsReadyAndGoneAfterStop(t *testing.T) {
	p, err := StartChild("idle")
	require.NoError(t, err)
	require.False(t, p.Ended())
	p.Stop()
	p.Stop()
	require.True(t, p.Ended())
}

func TestAChildThatFailsSaysWhy(t *testing.T) {
	_, err := StartChild("fails", "a")
	require.ErrorContains(t, err, `refused ["a"]`)
	_, err = StartChild("no such role")
	require.ErrorContains(t, err, "no role")
}

func TestProcessorTimeAndMemoryAreThoseOfTheOtherProcess(t *testing.T) {
	p, err := StartChild("busy")
	require.NoError(t, err)
	defer p.Stop()
	require.Eventually(t, func() bool { // it is counted in steps of 10 ms
		used, err := p.CPU()
		return err != nil || used > 0
	}, time.Minute, 10*time.Millisecond)
	_, err = p.CPU()
	require.NoError(t, err)
	memory, err := p.Memory()
	require.NoError(t, err)
	require.Greater(t, memory, int64(1<<20))
}

func TestAnsweringEndsWhenTheProgramDoes(t *testing.T) {
	addr, err := FreePort()
	require.NoError(t, err)
	p, err := Start(os.Args[0], "-test.run=^$") // ends at once
	require.NoError(t, err)
	defer p.Stop()
	require.ErrorContains(t, p.Answering(t.Context(), addr), "ended early")
}

func TestAnsweringEndsWithItsContext(t *testing.T) {
	addr, err := FreePort()
	require.NoError(t, err)
	p, err := StartChild("idle")
	require.NoError(t, err)
	defer p.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, p.Answering(ctx, addr), "does not answer")
}

func TestAnsweringWaitsForAListener(t *testing.T) {
	addr, err := FreePort()
	require.NoError(t, err)
	p, err := StartChild("serves", addr)
	require.NoError(t, err)
	defer p.Stop()
	require.NoError(t, p.Answering(t.Context(), addr))
}

func TestOnlyTheEndOfAnOutputIsKept(t *testing.T) {
	var out tail
	for range 1000 {
		_, err := out.Write([]byte("0123456789"))
		require.NoError(t, err)
	}
	require.Len(t, out.String(), 4096)
}
