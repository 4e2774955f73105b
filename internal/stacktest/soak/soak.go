package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// A soak is one run of the program.
type soak struct {
	root   string // of the repository
	parts  []*part
	seed   uint64
	began  time.Time
	budget time.Duration
	out    io.Writer

	commit   string // that is tested
	dir      string // what is built and written on the way
	watch    *watch
	leftOut  []string
	failures []failure
}

// A failure is a round that failed.
type failure struct {
	part  *part
	again string // the command that replays it
}

// longest is for how long a round lasts at most, if the part can choose.
const longest = time.Minute

// apart is how far the seeds of one part are from those of the next, so that no two
// do the same.
const apart = 10_000_000

// tooOften is how many rounds of a part may fail before it is given up: each tells
// about the same.
const tooOften = 3

// run has the parts take their turns until the time is up or ctx ends. A round that
// is under way then does not count.
func (s *soak) run(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "berth-soak-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.leaveOut()
	if err := s.build(ctx); err != nil {
		return err
	}
	if s.watch, err = startWatch(ctx, s.dir); err != nil {
		return err
	}
	defer s.watch.stop()
	s.commit = commitOf(s.root)
	fmt.Fprintf(s.out, "commit %s, seeds from %d on, for %v\n", s.commit, s.seed, s.budget)
	for end := time.Now().Add(s.budget); ctx.Err() == nil; {
		p := s.next(time.Until(end))
		if p == nil {
			break
		}
		if err := s.round(ctx, p, s.size(p, time.Until(end))); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut drops the parts that cannot run here.
func (s *soak) leaveOut() {
	var left []*part
	for i, p := range s.parts {
		if missing := p.missing(); missing != "" {
			s.leftOut = append(s.leftOut, fmt.Sprintf("%s: %s is not installed", p.name, missing))
			continue
		}
		first := s.seed + uint64(i)*apart
		p.tally = tally{from: first, next: first}
		left = append(left, p)
	}
	s.parts = left
}

// next returns the part that is furthest from its goal, or nil if there is no more
// time. A part that did not run yet runs at any rate.
func (s *soak) next(left time.Duration) *part {
	var behind *part
	for _, p := range s.parts {
		if p.violations >= tooOften || left <= 0 && p.rounds > 0 {
			continue
		}
		if p.rounds == 0 {
			return p
		}
		if behind == nil || p.progress() < behind.progress() {
			behind = p
		}
	}
	return behind
}

// size returns how much the next round does: what the part does in a fortieth of the
// time, as far as its last round tells, and not much more than that did.
func (s *soak) size(p *part, left time.Duration) int {
	if p.pace == 0 {
		return p.first
	}
	round := min(longest, max(s.budget/40, 3*time.Second), max(left, time.Second))
	return max(1, min(4*p.last, int(p.pace*round.Seconds())))
}
