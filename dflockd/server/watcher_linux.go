package server

import (
	"os"
	"syscall"
)

// A watcher looks after the sockets of connections whose request waits, so
// that none of them needs a goroutine, which is most of what a connection
// costs. It notices when a client sends more, or goes.
//
// It is an epoll instance, itself watched by Go's poller: its goroutine costs
// no thread.
type watcher struct {
	file *os.File
	raw  syscall.RawConn
	fd   int // of file, which stays open as long as there are connections
}

// gone is what epoll reports of a client that has closed its connection or
// the direction that it writes.
const gone = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

// watchBatch is how many connections are looked at between two looks at epoll.
const watchBatch = 64

func newWatcher() (*watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os.NewFile would not use the poller
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	return w, nil
}

// add watches c. It returns false if the kernel has no room for more.
func (w *watcher) add(c *conn) bool {
	id := c.lc.ID
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(id), Pad: int32(id >> 32)}
	return w.control(c, syscall.EPOLL_CTL_ADD, &ev) == nil
}

// remove watches c no more.
func (w *watcher) remove(c *conn) {
	_ = w.control(c, syscall.EPOLL_CTL_DEL, &syscall.EpollEvent{}) // a socket that is closed is gone already
}

func (w *watcher) control(c *conn, op int, ev *syscall.EpollEvent) (err error) {
	closed := c.sock.raw.Control(func(fd uintptr) { err = syscall.EpollCtl(w.fd, op, int(fd), ev) })
	if closed != nil {
		return closed
	}
	return err
}

// run tells s of each connection that something has happened to, until close.
func (w *watcher) run(s *Server) {
	var events [watchBatch]syscall.EpollEvent
	for {
		n := 0
		err := w.raw.Read(func(uintptr) bool {
			n = w.poll(events[:])
			return n > 0
		})
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			s.stirred(uint64(uint32(ev.Fd))|uint64(uint32(ev.Pad))<<32, ev.Events&gone != 0)
		}
	}
}

// poll returns how many events there are, and does not wait. It says none only
// when there is none, as Go's poller then waits for a new one.
func (w *watcher) poll(events []syscall.EpollEvent) int {
	for {
		n, err := syscall.EpollWait(w.fd, events, 0)
		if err != syscall.EINTR {
			return n
		}
	}
}

func (w *watcher) close() { _ = w.file.Close() }
