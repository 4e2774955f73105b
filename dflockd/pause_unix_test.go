//go:build unix

package dflockd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// TestAStoppedProcessKeepsTheSlotsThatItsServerKeeps stops a process at the
// moment at which renewals are under way, so that their answers arrive while it
// stands still, for longer than an answer may take.
func TestAStoppedProcessKeepsTheSlotsThatItsServerKeeps(t *testing.T) {
	if testing.Short() {
		t.Skip("stops a process for six seconds: not with -short")
	}
	programs(t, func(t *testing.T, path string) {
		address, _ := lockserver.Start(t, path)
		renewing, goOn := make(chan struct{}), make(chan struct{})
		holder := exec.Command(os.Args[0])
		holder.Env = append(os.Environ(), holderEnv+"="+holdUpRenewal(t, address, renewing, goOn))
		in, err := holder.StdinPipe()
		require.NoError(t, err)
		out, err := holder.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, holder.Start())
		defer func() { _, _ = in.Close(), holder.Wait() }()
		said := bufio.NewReader(out)
		line, err := said.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "held\n", line)
		<-renewing
		require.NoError(t, holder.Process.Signal(syscall.SIGSTOP))
		var state syscall.WaitStatus
		_, err = syscall.Wait4(holder.Process.Pid, &state, syscall.WUNTRACED, nil) // until it stands still
		require.NoError(t, err)
		require.True(t, state.Stopped())
		close(goOn)
		time.Sleep(6 * time.Second) // it is how long the process stands still that is tried
		require.NoError(t, holder.Process.Signal(syscall.SIGCONT))
		for range 5 {
			_, err = fmt.Fprintln(in)
			require.NoError(t, err)
			line, err = said.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "lost 0 \n", line)
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// holdUpRenewal passes connections on to a server, and returns where. At the
// first renewal it closes renewing and waits for goOn.
func holdUpRenewal(t *testing.T, address string, renewing chan<- struct{}, goOn <-chan struct{}) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var once sync.Once
	var passing sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); passing.Wait() })
	passing.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", address)
			if err != nil {
				_ = from.Close()
				continue
			}
			passing.Go(func() {
				defer to.Close()
				b := make([]byte, 4096)
				for {
					n, err := from.Read(b)
					if err != nil {
						return
					}
					if bytes.Contains(b[:n], []byte("sn\n")) {
						once.Do(func() { close(renewing); <-goOn })
					}
					if _, err := to.Write(b[:n]); err != nil {
						return
					}
				}
			})
			passing.Go(func() {
				defer from.Close()
				_, _ = bufio.NewReader(to).WriteTo(from)
			})
		}
	})
	return ln.Addr().String()
}

func TestFrozenServerEndsTheContextBeforeTheLease(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, cmd := lockserver.Start(t, path)
		// Renewed after 2 s, lost after 2 s more: a slow machine has the rest.
		const lease = 10 * time.Second
		src, err := NewSource(slot.Fixed("k", 1), WithServers(addr), WithLease(lease), WithRenewRatio(0.2))
		require.NoError(t, err)
		s := claimNow(t, src, "")
		start := time.Now() // after the lease began: the bound below is on the safe side of it
		stop(t, cmd.Process)
		<-s.Context().Done()
		require.Less(t, time.Since(start), lease)
		lostBecause(t, s, slot.ErrLost)
		_ = src.Close(context.Background()) // returns, though nobody answers
		resume(t, cmd.Process)
	})
}
