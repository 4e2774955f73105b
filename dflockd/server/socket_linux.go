package server

import (
	"io"
	"net"
	"sync"
	"syscall"
	"unsafe"
)

// A socket reads and writes a TCP connection by system calls that do not wait:
// the scheduler need not prepare for a thread that blocks, which costs more
// than the rest of a request does. What would have to wait is left to Go's
// poller. It is read by one goroutine at a time and written by one, which may
// be another.
type socket struct {
	raw      syscall.RawConn
	tryRead  func(fd uintptr) bool // s.readNow, made once
	tryWrite func(fd uintptr) bool // s.writeNow

	block  *block // of the latest read
	got    int
	failed syscall.Errno

	out  []byte // being written
	sent int
}

// block is what one read takes at most. A socket that waits has none.
type block [maxReadSize]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// newSocket returns the socket of nc, or nil if it has none to speak of.
func newSocket(nc net.Conn) *socket {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.tryRead, s.tryWrite = s.readNow, s.writeNow
	return s
}

// receive is that of a [receiver].
func (s *socket) receive() ([]byte, error) {
	if err := s.raw.Read(s.tryRead); err != nil {
		return nil, err
	}
	switch {
	case s.failed != 0:
		return nil, s.failed
	case s.got == 0:
		return nil, io.EOF
	}
	return s.block[:s.got], nil
}

// done gives the block back.
func (s *socket) done() {
	if s.block != nil {
		blocks.Put(s.block)
		s.block = nil
	}
}

// readNow reads what is there. It returns false if that is nothing yet.
func (s *socket) readNow(fd uintptr) bool {
	s.block = blocks.Get().(*block)
	s.got, s.failed = transfer(syscall.SYS_READ, fd, s.block[:])
	if s.failed == syscall.EAGAIN {
		s.done()
		return false
	}
	return true
}

// send writes as much of b as the kernel takes at once, and returns how much.
// Why it was not all, whoever writes the rest is told.
func (s *socket) send(b []byte) int {
	s.out, s.sent = b, 0
	_ = s.raw.Write(s.tryWrite)
	s.out = nil
	return s.sent
}

func (s *socket) writeNow(fd uintptr) bool {
	if n, failed := transfer(syscall.SYS_WRITE, fd, s.out); failed == 0 {
		s.sent = n
	}
	return true
}

// transfer reads or writes. It returns at once, as it must: a descriptor that
// package net has accepted does not block.
func transfer(call, fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, _, failed := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if failed != syscall.EINTR {
			return int(n), failed
		}
	}
}
