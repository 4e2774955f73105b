package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxUnixPath is the longest path of a socket that all systems take, without
// what is in front of it while it is made.
const maxUnixPath = 80

// WithUnixSocket makes the server listen on a Unix socket at path too, or on
// it alone together with [WithInMemory]. mode says who may connect, such as
// 0600. A socket that a server left behind is replaced, one that somebody
// serves is an error, and so is anything else at path. The socket is removed
// when the server shuts down.
//
// For limits of one address, and for wrong secrets, the user at the other end
// is the address where the system is Linux; elsewhere all are one.
func WithUnixSocket(path string, mode fs.FileMode) Option {
	return func(c *config) { c.unixPath, c.unixMode, c.unix = path, mode, true }
}

// checkUnix returns an error if no socket can be made as asked.
func (c *config) checkUnix() error {
	switch {
	case !c.unix:
		return nil
	case c.unixPath == "":
		return errors.New("server: the path of the Unix socket is empty")
	case len(c.unixPath) > maxUnixPath:
		return fmt.Errorf("server: the path of the Unix socket has %d bytes, more than %d: %s", len(c.unixPath), maxUnixPath, c.unixPath)
	case c.unixMode&^fs.ModePerm != 0:
		return fmt.Errorf("server: %v are no permissions of a Unix socket", c.unixMode)
	}
	return nil
}

// A unixListener listens on a socket in the file system.
type unixListener struct {
	*net.UnixListener
	path string
	made fs.FileInfo // so that Close removes no other
}

// listenUnix makes the socket. It has its permissions before anybody can find
// it, and a path that two servers want goes to one of them.
func listenUnix(path string, mode fs.FileMode) (*unixListener, error) {
	fail := func(err error) (*unixListener, error) {
		return nil, fmt.Errorf("server: cannot listen on the Unix socket %s: %w", path, err)
	}
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return fail(err)
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return fail(err)
	}
	hidden, err := os.MkdirTemp(filepath.Dir(path), ".dflockd-*") // for its owner alone
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(hidden) }()
	first := filepath.Join(hidden, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	ln.SetUnlinkOnClose(false)
	u := &unixListener{UnixListener: ln, path: path}
	if err := errors.Join(os.Chmod(first, mode), os.Rename(first, path)); err != nil {
		_ = ln.Close()
		return fail(err)
	}
	if u.made, err = os.Lstat(path); err != nil {
		_ = ln.Close()
		return fail(err)
	}
	return u, nil
}

// Addr returns where the socket is.
func (u *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: u.path, Net: "unix"} }

// Close removes the socket.
func (u *unixListener) Close() error {
	err := u.UnixListener.Close()
	unlock, lockErr := lockFolder(filepath.Dir(u.path))
	if lockErr != nil {
		return errors.Join(err, lockErr)
	}
	defer unlock()
	if now, e := os.Lstat(u.path); e == nil && os.SameFile(now, u.made) {
		err = errors.Join(err, os.Remove(u.path))
	}
	return err
}

// removeStale removes a socket that nobody serves.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is no socket")
	}
	nc, err := net.Dial("unix", path)
	if err == nil {
		_ = nc.Close()
		return errors.New("another server listens there")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("another server may listen there: %w", err)
	}
	return os.Remove(path)
}
