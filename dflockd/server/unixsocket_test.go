//go:build unix

package server

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// socketPath returns a path that is short enough on all systems.
func socketPath(t *testing.T) string {
	dir, err := os.MkdirTemp("", "d")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "socket")
}

func startUnix(t *testing.T, path string, opts ...Option) *Server {
	s, err := Start(context.Background(), append(opts, WithInMemory(), WithUnixSocket(path, 0o600))...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func dialUnix(t *testing.T, path string) *client {
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc)
}

func TestUnixSocketHasItsPermissionsAndGoesWithTheServer(t *testing.T) {
	path := socketPath(t)
	s := startUnix(t, path)
	require.Equal(t, path, s.Addr().String())
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, info.Mode())
	c := dialUnix(t, path)
	token, _ := c.grant("l|k|0")
	require.Equal(t, "ok", c.ask("r|k|"+token))

	s.Close()
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, left, "neither the socket nor what it was made with")
}

func TestUnixSocketOfALivingServerIsNotTaken(t *testing.T) {
	path := socketPath(t)
	startUnix(t, path)
	_, err := Start(context.Background(), WithInMemory(), WithUnixSocket(path, 0o600))
	require.ErrorContains(t, err, "another server listens there")
	require.ErrorContains(t, err, path)
	dialUnix(t, path).grant("l|k|0")
}

func TestUnixSocketThatWasLeftBehindIsReplaced(t *testing.T) {
	path := socketPath(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	ln.SetUnlinkOnClose(false)
	require.NoError(t, ln.Close())
	_, err = os.Lstat(path)
	require.NoError(t, err)

	startUnix(t, path)
	dialUnix(t, path).grant("l|k|0")
}

func TestAFileThatIsNoSocketIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := Start(context.Background(), WithAddress("127.0.0.1:0"), WithUnixSocket(path, 0o600))
	require.ErrorContains(t, err, "no socket")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

func TestASocketThatIsAnotherServersByNowIsNotRemovedAtTheEnd(t *testing.T) {
	path := socketPath(t)
	first := startUnix(t, path)
	require.NoError(t, os.Remove(path))
	startUnix(t, path)
	first.Close()
	dialUnix(t, path).grant("l|k|0")
}

func TestUnixSocketThatCannotBeIsRefused(t *testing.T) {
	for name, o := range map[string]Option{
		"no path":        WithUnixSocket("", 0o600),
		"a long path":    WithUnixSocket("/"+strings.Repeat("x", 200), 0o600),
		"no permissions": WithUnixSocket("/tmp/s", fs.ModeDir|0o600),
	} {
		_, err := Start(context.Background(), WithInMemory(), o)
		require.ErrorContains(t, err, "Unix socket", name)
	}
}

func TestPeersOfAUnixSocketCountByUser(t *testing.T) {
	path := socketPath(t)
	s := startUnix(t, path, WithMaxConnectionsPerIP(1))
	dialUnix(t, path).grant("l|k|0")
	dialUnix(t, path).eof() // the same user
	require.Contains(t, []string{unixPeer, fmt.Sprintf("uid %d", os.Getuid())}, peerNames(s)[0])
}

func peerNames(s *Server) (names []string) {
	for _, c := range s.snapshot() {
		names = append(names, c.from)
	}
	return names
}

func TestStrictServerOnAUnixSocketOwesAGrace(t *testing.T) {
	s := startUnix(t, socketPath(t), WithAutoRelease(false))
	require.Equal(t, s.cfg.maxLease, s.cfg.startupGrace)
	require.NotZero(t, s.cfg.startupGrace)
}
