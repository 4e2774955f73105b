//go:build !linux

package server

import "net"

// A socket is what connections do without on this system.
type socket struct{ receiver }

func newSocket(net.Conn) *socket { return nil }

func (s *socket) send([]byte) int { return 0 }

// A watcher is what waiting connections do without: they keep their goroutine.
type watcher struct{}

func newWatcher() (*watcher, error) { return nil, nil }

func (w *watcher) add(*conn) bool { return false }
func (w *watcher) remove(*conn)   {}
func (w *watcher) run(*Server)    {}
func (w *watcher) close()         {}
