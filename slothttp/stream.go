package slothttp

import (
	"context"
	"errors"
	"io"
	"sync"
)

// A stream is the body of a response as the base transport reads it, and the slot
// that it holds.
//
// Invariant: the slot goes back only when no Read of the base is in flight, or the
// base's body was closed, and after that the base is never read.
type stream struct {
	*holding
	base io.ReadCloser

	once     sync.Once
	closeErr error // of base; written inside once

	// mu guards what follows. Neither the base nor the slot is called while it is
	// held.
	mu      sync.Mutex
	reading int         // calls of base.Read
	err     error       // of every further Read; nil while the stream is open
	unwatch func() bool // ends what watch began
}

// watch ends the stream when its context does.
func (s *stream) watch() {
	unwatch := context.AfterFunc(s.ctx, s.contextEnded)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwatch = unwatch
}

// contextEnded leaves the end to the Read that is in flight, if one is: the base
// ends it.
func (s *stream) contextEnded() {
	cause := context.Cause(s.ctx)
	if s.stop(s.explain(cause)) {
		s.end()
	}
	if errors.Is(cause, errForgotten) {
		sayForgotten(s.slot.Info().Key)
	}
}

// stop lets no further Read through, and reports whether none is in flight.
func (s *stream) stop(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.reading == 0
}

// read reads from the base while the stream is open.
func (s *stream) read(p []byte) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	n, err := s.base.Read(p)
	err = s.explain(err)
	if s.leave(err) {
		s.end()
	}
	return n, err
}

// enter notes a Read, or returns why there can be none.
func (s *stream) enter() error {
	if s.ctx.Err() != nil { // contextEnded may not have run yet
		s.stop(s.explain(context.Cause(s.ctx)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.reading++
	}
	return s.err
}

// leave notes the end of a Read, and reports whether it was the last.
func (s *stream) leave(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	if s.err == nil {
		s.err = err
	}
	return s.err != nil && s.reading == 0
}

// end closes the base's body and then gives the slot back, once.
func (s *stream) end() error {
	s.once.Do(func() {
		s.mu.Lock()
		unwatch := s.unwatch
		s.mu.Unlock()
		if unwatch != nil {
			unwatch()
		}
		defer s.release()
		s.closeErr = s.base.Close()
	})
	return s.closeErr
}
