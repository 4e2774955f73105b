package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// patience is far longer than anything takes that a test waits for.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == roleArg {
		os.Exit(role(os.Args[2:]))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built.dir)
		os.Exit(code)
	}))
}

// built is where the program under test is.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program builds berth, once.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "berth-"); built.err != nil {
			return
		}
		args := []string{"build", "-o", filepath.Join(built.dir, "berth")}
		if raceFlag != "" {
			args = append(args, raceFlag)
		}
		if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "berth")
}

// shortLease is that of the servers here: a slot whose holder is silent may be relied
// on for 1.73 s.
const shortLease = 2 * time.Second

// startServer starts a strict server on a loopback port.
func startServer(t *testing.T, more ...server.Option) *server.Server {
	t.Helper()
	options := append([]server.Option{
		server.WithAddress("127.0.0.1:0"), server.WithAutoRelease(false),
		server.WithDefaultLease(shortLease), server.WithMaxLease(shortLease),
	}, more...)
	s, err := server.Start(context.Background(), options...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func urlOf(s *server.Server) string { return "dflockd://" + s.Addr().String() }

// hold claims the only slot of a key, and waits for it.
func hold(t *testing.T, address, key string) slot.Slot {
	t.Helper()
	src, err := dflockd.NewSource(slot.Fixed(key, 1), dflockd.WithServers(address))
	require.NoError(t, err)
	t.Cleanup(func() { _ = src.Close(context.Background()) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		ticket, err := src.Enqueue(ctx, key)
		if err == nil {
			var s slot.Slot
			if s, err = ticket.Wait(ctx); err == nil {
				return s
			}
		}
		require.NoError(t, ctx.Err(), "%v", err)
		require.ErrorIs(t, err, slot.ErrUnavailable) // the server is away
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventuallyf(t, ok, patience, 2*time.Millisecond, "waited until %s", what)
}
