package middleware

import "sync"

// A permit is a breaker's permission for one attempt.
type permit struct {
	number uint64 // in the order in which they were asked for
	done   func(error)
}

// maxPermits is how many unused permits are kept: more than any breaker lets
// through as probes.
const maxPermits = 1024

// permits are those that were given by a breaker with two outcomes for attempts
// that turned out to say nothing. Only a half-open breaker counts its permits, so
// only there one that is neither told nor used again does harm: the breaker would
// wait for its outcome for ever. They are used when the breaker refuses.
//
// One that was given before the breaker opened is worth nothing, and would let an
// attempt through that the breaker refuses with reason. But an open breaker has
// seen a failure, and what was permitted before the attempt that failed was given
// by the same state of the breaker, which the failure has ended, or by one before.
type permits struct {
	mu     sync.Mutex // guards what follows; the breaker is not called while it is held
	asked  uint64
	unused []permit
}

// number returns a permit that is about to be asked for.
func (s *permits) number() permit {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return permit{number: s.asked}
}

// keep keeps a permit for another attempt. Of too many the oldest goes.
func (s *permits) keep(p permit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unused) == maxPermits {
		s.unused = append(s.unused[:0], s.unused[1:]...)
	}
	s.unused = append(s.unused, p)
}

// take returns the permit that was kept last, if there is one.
func (s *permits) take() (p permit, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.unused) - 1
	if last < 0 {
		return permit{}, false
	}
	p, s.unused[last] = s.unused[last], permit{}
	s.unused = s.unused[:last]
	return p, true
}

// dropBefore forgets the permits that were given before p, whose attempt failed.
func (s *permits) dropBefore(p permit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.unused[:0]
	for _, other := range s.unused {
		if other.number > p.number {
			kept = append(kept, other)
		}
	}
	clear(s.unused[len(kept):])
	s.unused = kept
}
