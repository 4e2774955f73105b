package server

import (
	"context"
	"fmt"
)

// Shutdown drains the server and returns when its goroutines have ended.
//
// From its start nothing is granted any more: whoever waits is answered
// error_draining once and closed, connections without a slot are closed, and
// the others are served until their slots are released or their leases end.
// When ctx ends first the rest is cut off, and the error says how many
// connections that were. It is safe to call at any time, any number of times.
func (s *Server) Shutdown(ctx context.Context) error {
	s.beginStop()
	select {
	case <-s.empty:
	case <-ctx.Done():
	}
	cut := s.cutAll()
	<-s.stopped
	if cut > 0 {
		return fmt.Errorf("server: shutdown cut off %d connections: %w", cut, context.Cause(ctx))
	}
	return nil
}

// Close stops the server at once. Connections are cut off.
func (s *Server) Close() {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(ErrClosed)
	_ = s.Shutdown(ctx)
}

// beginStop is the first stage of stopping: take no more work.
func (s *Server) beginStop() {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return
	}
	s.stopping = true
	if len(s.conns) == 0 {
		close(s.empty)
	}
	unhook := s.unhook
	s.mu.Unlock()

	if unhook != nil {
		unhook()
	}
	s.stopListening()
	s.log.info("draining", "connections", s.connections())
	s.hub.drain()
	s.draining.Store(true)
	s.kickInDrain()
	go s.finish()
}

// finish waits for the end of the drain and then for every goroutine. It is
// the owner of s.stopped and ends by closing it, which Shutdown waits for.
func (s *Server) finish() {
	select {
	case <-s.empty:
	case <-s.ctx.Done():
	}
	s.cancel(ErrClosed)
	if s.metrics != nil {
		s.metrics.close()
	}
	<-s.empty // a parked connection has no goroutine
	if s.watcher != nil {
		s.watcher.close()
	}
	s.tasks.Wait()
	close(s.stopped)
}

// cutAll is the second stage: cancel the work that is left. It returns how
// many connections were still there.
func (s *Server) cutAll() int {
	s.cancel(ErrClosed)
	left := s.snapshot()
	for _, c := range left {
		c.cut()
	}
	return len(left)
}

// kickInDrain makes the connections look at whether they have a reason to
// stay.
func (s *Server) kickInDrain() {
	if !s.draining.Load() {
		return
	}
	for _, c := range s.snapshot() {
		c.kick()
	}
}

func (s *Server) snapshot() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		all = append(all, c)
	}
	return all
}

func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
