package server

import (
	"maps"
	"runtime/debug"
	"time"
)

const (
	// crowdSize is from how many connections on it is worth to do something
	// about the memory of those that have gone.
	crowdSize = 1000
	// trimDelay is how long after half of a crowd has gone that is done, so that
	// most of the rest has gone, too.
	trimDelay = 5 * time.Second
)

// The runtime gives the memory of a crowd that has gone back only when it next
// collects garbage, which may take minutes on a server that has nothing to do;
// and a map of Go never becomes smaller.

// trimLocked has the memory of a crowd given back if half of it has gone.
// Caller holds s.mu.
func (s *Server) trimLocked() {
	if s.trimming || s.most < crowdSize || len(s.conns) > s.most/2 {
		return
	}
	s.trimming = true
	s.tasks.Go(s.trim)
}

func (s *Server) trim() {
	t := time.NewTimer(trimDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
		return
	}
	s.mu.Lock()
	s.trimming, s.most = false, len(s.conns)
	s.conns, s.perIP = maps.Clone(s.conns), maps.Clone(s.perIP)
	s.mu.Unlock()
	debug.FreeOSMemory()
}
