package main

import (
	"context"
	"os"
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

// TestMain makes the test's program berth, its keeper and each of the commands that
// berth runs in tests, besides what runs the tests: so they are the code under test,
// also where one file of it is replaced.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == keeperName:
		os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
	case len(os.Args) > 2 && os.Args[1] == roleArg && os.Args[2] == "berth":
		os.Exit(execute(os.Args[3:], os.Stdout, os.Stderr))
	case len(os.Args) > 2 && os.Args[1] == roleArg:
		os.Exit(role(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// self is a command line that plays a role.
func self(args ...string) []string { return append([]string{os.Args[0], roleArg}, args...) }

// shortLease is for tests that wait for its end: a slot whose holder is silent may be
// relied on for 1.73 s. In the others a machine that is slow must not end it.
const shortLease, longLease = 2 * time.Second, 30 * time.Second

// startServer starts a strict server on a loopback port.
func startServer(t *testing.T, more ...server.Option) *server.Server {
	t.Helper()
	return startWithLease(t, longLease, more...)
}

// startImpatient is startServer with short leases.
func startImpatient(t *testing.T, more ...server.Option) *server.Server {
	t.Helper()
	return startWithLease(t, shortLease, more...)
}

func startWithLease(t *testing.T, lease time.Duration, more ...server.Option) *server.Server {
	t.Helper()
	s, err := server.Start(context.Background(), append([]server.Option{
		server.WithAddress("127.0.0.1:0"), server.WithAutoRelease(false),
		server.WithDefaultLease(lease), server.WithMaxLease(lease),
	}, more...)...)
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
