package server

// A connection whose untagged request waits does nothing but notice when its
// client goes. Where it can it is parked meanwhile: it has no goroutine, and
// the watcher looks at its socket.
//
//	         reader: request waits            watcher: client sent more
//	reading ───────────────────────▶ parked ───────────────────────────▶ reading
//	                                   │  │     or: request was answered
//	                                   │  ╰─▶ finished (watcher: client is gone)
//	                                   ╰─▶ reading a closed socket (cut off)
//
// Invariant: c.parked if and only if the watcher watches c; so both change
// under c.mu, which the system calls for it do not hold up: they never wait.
// Whoever unparks c is its reader from then on.

// useSocket reads and writes c's socket directly, and lets c be parked, unless
// it is a connection in memory.
func (c *conn) useSocket() {
	if c.sock = newSocket(c.nc); c.sock != nil {
		c.in = c.sock
	}
}

// park parks c if it waits. Then its reader, the caller, must end.
func (c *conn) park() bool {
	if c.sock == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked && !c.busy && !c.ended {
		c.parked = c.srv.watcher.add(c)
	}
	return c.parked
}

// couldPark reports whether c waits and is read all the same.
func (c *conn) couldPark() bool {
	if c.sock == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked && !c.parked && !c.ended
}

// unpark reports whether the caller has become the reader.
func (c *conn) unpark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unparkLocked()
}

func (c *conn) unparkLocked() bool {
	if !c.parked {
		return false
	}
	c.parked = false
	c.srv.watcher.remove(c)
	return true
}

// unparkAnswered is unpark unless a further request waits already.
func (c *conn) unparkAnswered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.blocked && c.unparkLocked()
}

// stirred is called by the watcher when a connection that may be parked has
// something to read, or when its client is gone.
func (s *Server) stirred(id uint64, gone bool) {
	c := s.connection(id)
	switch {
	case c == nil || !c.unpark():
	case gone:
		c.finish()
	default:
		s.tasks.Go(c.read)
	}
}
