package slottest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

// A fault is one thing that a toy does wrong.
type fault int

const (
	none fault = iota
	grantsOneTooMany
	grantsTheLastInLine
	barges
	enqueueWaitsForHolders
	forgetsTheKey
	forgetsThatItQueued
	repeatsFences
	repeatsFencesInLine
	tryWaitsInLine
	tryLeavesItsPlace
	acceptsBadKeys
	losesASlotOnCancel
	losesAGrantThatRacesACancel
	hidesTheCauseOfACancel
	endsSlotsWithTheClaimsContext
	closingATicketTakesTheSlot
	closingATicketDoesNotEndItsWait
	releaseDoesNotEndTheContext
	releaseHasNoCause
	releaseIsNotIdempotent
	neverEndsTheContext
	endsTheContextAfterTheNextGrant
	hidesALossFromRelease
	losesWithoutACause
	takingAwayTakesPlacesToo
	ignoresAbandon
	waitsForEverAfterABreak
	closeKeepsWhatIsHeld
	closeLeavesWaits
	closeHangs
	enqueueOutlivesClose
	closedSourceGrants
	leaksAGoroutine
	tellsTwice
	joinDropsAGrant
	tellsOfAJoinThatFailed
	leaveIsIgnored
	leaveHasNoCause
	closeTellsNobody
	tellsFollowersLate
	forgetsTheLimitsOfHolders
	passesASmallerLimit
	leavingServesNobody
	miscountsHolders
	repeatsIDs
	listsTheLineBackwards
	hidesNames
	miscountsTheLine
	ignoresPauses
	cutsPausesShort
	neverEndsAPause
	endsAllWithARevoke
	revokesWithoutACause
	revokesNothing
	ignoresPaces
	makesUpForStarts
)

// A toy is a small source that does one thing wrong, or nothing.
type toy struct {
	fault fault
	stop  chan struct{} // ends what a fault would leave behind

	limit  int
	mu     sync.Mutex // guards what follows and every toyTicket
	extra  int        // slots that a fault has made
	fence  uint64
	line   []*toyTicket
	held   []*toySlot
	paused time.Time // until when
	clock  gcra.Clock
	booked gcra.Clock // of a fault
	closed bool
}

type toyTicket struct {
	src   *toy
	key   string
	limit int
	pace  gcra.Pace
	turn  time.Duration // that a fault has booked for it
	ahead int
	since time.Time
	ctx   context.Context // of Enqueue
	ready chan struct{}   // closed when the ticket has left the line
	slot  *toySlot
	now   bool // granted at once
	taken bool
	err   error
}

type toySlot struct {
	src    *toy
	info   slot.Info
	ctx    context.Context
	cancel context.CancelCauseFunc
	gone   bool // released or lost
	err    error
}

// A lateContext ends in time, and tells those that follow it a moment later. That
// is what the contexts of package context do where something has to follow two of
// them, but how long their moment is is up to the scheduler.
type lateContext struct {
	context.Context
	done <-chan struct{} // not that of the Context, from which package context takes its shortcut
}

func newLateContext(ctx context.Context) lateContext {
	child, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, cancel)
	return lateContext{ctx, child.Done()}
}

func (c lateContext) Done() <-chan struct{} { return c.done }

// AfterFunc is what package context asks for where it cannot take the shortcut.
func (c lateContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.Context, func() {
		time.Sleep(time.Millisecond)
		f()
	})
}

func newToy(t *testing.T, limit int, f fault) *toy {
	s := &toy{fault: f, limit: limit, stop: make(chan struct{})}
	if f == grantsOneTooMany {
		s.extra++
	}
	t.Cleanup(func() { close(s.stop) })
	return s
}

// A toyClient is another source of a toy's slots, with a limit of its own.
type toyClient struct {
	*toy
	limit int
}

func (c toyClient) Close(context.Context) error { return nil }

func (c toyClient) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return c.enqueue(ctx, key, c.limit)
}

func (s *toy) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return s.enqueue(ctx, key, s.limit)
}

func (s *toy) enqueue(ctx context.Context, key string, limit int) (slot.Ticket, error) {
	return s.enqueueAt(ctx, key, limit, gcra.Pace{})
}

func (s *toy) enqueueAt(ctx context.Context, key string, limit int, pace gcra.Pace) (slot.Ticket, error) {
	if err := s.refuse(ctx, key); err != nil {
		return nil, err
	}
	if s.fault == enqueueOutlivesClose && s.closesMeanwhile() {
		select {
		case <-ctx.Done():
		case <-s.stop:
		}
		return nil, slot.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.fault != closedSourceGrants {
		return nil, slot.ErrClosed
	}
	t := &toyTicket{src: s, key: key, limit: limit, pace: pace, ahead: len(s.line), since: time.Now(), ctx: ctx, ready: make(chan struct{})}
	s.book(t)
	s.line = append(s.line, t)
	switch {
	case len(s.line) == 1, s.fault == barges:
		s.grant()
	case s.fault == passesASmallerLimit && s.room(t):
		s.grantAt(len(s.line) - 1)
	}
	t.now = t.slot != nil
	if s.fault == enqueueWaitsForHolders && !t.now {
		s.mu.Unlock()
		select {
		case <-t.ready:
		case <-s.stop:
		}
		s.mu.Lock()
	}
	return t, nil
}

// Ahead returns the place in line.
func (t *toyTicket) Ahead() (int, bool) {
	if t.src.fault == miscountsTheLine {
		return 0, true
	}
	return t.ahead, true
}

func (s *toy) pausedUntil() time.Time {
	if time.Now().Before(s.paused) {
		return s.paused
	}
	return time.Time{}
}

// Inspect tells who holds and who waits.
func (s *toy) Inspect(_ context.Context, key string) (slot.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := slot.DefaultName()
	if s.fault == hidesNames {
		name = ""
	}
	st := slot.State{Name: key, PausedUntil: s.pausedUntil(), Held: len(s.held), Waiting: len(s.line)}
	for i, h := range s.held {
		if s.fault == repeatsIDs {
			i = 0
		}
		st.Holders = append(st.Holders, slot.Holder{Name: name, ID: fmt.Sprint(i + 1), Limit: h.info.Limit, Since: h.info.GrantedAt})
	}
	for _, t := range s.line {
		st.Waiters = append(st.Waiters, slot.Waiter{Name: name, Limit: t.limit, Since: t.since})
	}
	switch s.fault {
	case miscountsHolders:
		st.Held--
	case listsTheLineBackwards:
		slices.Reverse(st.Waiters)
	}
	return st, nil
}

// Pause stops grants for a while.
func (s *toy) Pause(_ context.Context, _ string, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := time.Now().Add(d)
	switch {
	case d < 0:
		return slot.ErrKey
	case s.fault == ignoresPauses:
		return nil
	case d == 0:
		s.paused = time.Time{}
		s.grant()
	case s.fault == cutsPausesShort || until.After(s.paused):
		s.paused = until
	}
	if s.fault != neverEndsAPause {
		time.AfterFunc(d, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.grant()
		})
	}
	return nil
}

// Revoke ends a slot, by the number that Inspect gives it.
func (s *toy) Revoke(_ context.Context, _, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cause := fmt.Errorf("%w: %w", slot.ErrLost, slot.ErrRevoked)
	if s.fault == revokesWithoutACause {
		cause = slot.ErrLost
	}
	for i, held := range slices.Clone(s.held) {
		if fmt.Sprint(i+1) != id && s.fault != endsAllWithARevoke || id == "none" {
			continue
		}
		if s.fault == revokesNothing {
			return nil
		}
		held.end(cause, cause)
		if s.fault != endsAllWithARevoke {
			return nil
		}
	}
	if id == "none" {
		return slot.ErrNoHolder
	}
	return nil
}

// closesMeanwhile takes a moment, and reports whether the source was closed in it.
func (s *toy) closesMeanwhile() bool {
	isClosed := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.closed
	}
	before := isClosed()
	time.Sleep(10 * time.Millisecond)
	return !before && isClosed()
}

func (s *toy) refuse(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if key == "bad" && s.fault != acceptsBadKeys {
		return slot.ErrKey
	}
	return nil
}

func (s *toy) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	ticket, err := s.Enqueue(ctx, key)
	if err != nil {
		return nil, false, err
	}
	if got, ok := ticket.Slot(); ok {
		return got, true, nil
	}
	switch s.fault {
	case tryWaitsInLine:
		got, err := ticket.Wait(ctx)
		return got, err == nil, err
	case tryLeavesItsPlace:
		return nil, false, nil
	}
	return nil, false, ticket.Close()
}

// room reports whether t may be granted a slot; the caller holds mu.
func (s *toy) room(t *toyTicket) bool {
	if time.Now().Before(s.paused) || !s.ready(t) {
		return false
	}
	least := t.limit
	for _, held := range s.held {
		if s.fault != forgetsTheLimitsOfHolders {
			least = min(least, held.info.Limit)
		}
	}
	return len(s.held) < least+s.extra
}

// grant gives free slots to those in line; the caller holds mu.
func (s *toy) grant() {
	for len(s.line) > 0 {
		next := 0
		if s.fault == grantsTheLastInLine || s.fault == barges {
			next = len(s.line) - 1
		}
		if !s.room(s.line[next]) {
			return
		}
		s.grantAt(next)
	}
}

// grantAt grants a slot to one in line; the caller holds mu.
func (s *toy) grantAt(next int) {
	t := s.line[next]
	if !t.pace.IsNone() {
		s.clock.Take(s.now(), t.pace)
	}
	s.line = slices.Delete(s.line, next, next+1)
	if s.fault != repeatsFences || s.fence == 0 {
		s.fence++
	}
	now := time.Now()
	t.slot = &toySlot{src: s, info: slot.Info{
		Key: t.key, Limit: t.limit, GrantedAt: now, ConfirmedAt: now, Queued: true, Fence: s.fence,
	}}
	select {
	case <-t.ready: // it was cancelled and is still in line
	default:
		close(t.ready)
	}
	parent := context.Background()
	if s.fault == endsSlotsWithTheClaimsContext {
		parent = t.ctx
	}
	t.slot.ctx, t.slot.cancel = context.WithCancelCause(parent)
	if s.fault == tellsFollowersLate {
		t.slot.ctx = newLateContext(t.slot.ctx)
	}
	s.held = append(s.held, t.slot)
	if s.fault == leaksAGoroutine {
		go s.leak()
	}
}

func (s *toy) leak() { <-s.stop }

func (t *toyTicket) Slot() (slot.Slot, bool) {
	if !t.now {
		return nil, false
	}
	s, err := t.take()
	return s, err == nil
}

func (t *toyTicket) take() (slot.Slot, error) {
	t.src.mu.Lock()
	defer t.src.mu.Unlock()
	if t.err != nil {
		return nil, t.err
	}
	t.taken = true
	t.slot.info.Queued = !t.now && t.src.fault != forgetsThatItQueued
	if t.src.fault == repeatsFencesInLine && !t.now {
		t.slot.info.Fence--
	}
	if t.src.fault == forgetsTheKey {
		t.slot.info.Key = ""
	}
	return t.slot, nil
}

func (t *toyTicket) Wait(ctx context.Context) (slot.Slot, error) {
	select {
	case <-t.ready:
		return t.take()
	case <-t.src.stop:
		return nil, slot.ErrClosed
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if t.src.fault == hidesTheCauseOfACancel {
		cause = ctx.Err()
	}
	t.leave(cause)
	return nil, cause
}

func (t *toyTicket) Close() error {
	if t.src.fault == closingATicketTakesTheSlot && t.slot != nil {
		t.taken = false
	}
	t.leave(slot.ErrClosed)
	return nil
}

// leave ends the claim with err, unless it is over.
func (t *toyTicket) leave(err error) {
	s := t.src
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.taken || t.err != nil {
		return
	}
	t.err = err
	if t.slot != nil {
		if s.fault != losesAGrantThatRacesACancel {
			t.slot.end(slot.ErrReleased, nil)
		}
		return
	}
	if s.fault == losesASlotOnCancel {
		return
	}
	s.line = slices.DeleteFunc(s.line, func(o *toyTicket) bool { return o == t })
	if s.fault != closingATicketDoesNotEndItsWait {
		close(t.ready)
	}
	if s.fault != leavingServesNobody && s.fault != barges {
		s.grant()
	}
}

func (s *toySlot) Context() context.Context { return s.ctx }
func (s *toySlot) Info() slot.Info          { return s.info }

func (s *toySlot) Release() error {
	s.src.mu.Lock()
	defer s.src.mu.Unlock()
	cause := error(slot.ErrReleased)
	if s.src.fault == releaseHasNoCause {
		cause = nil
	}
	s.end(cause, nil)
	return s.err
}

// end ends the context and frees the slot; the caller holds mu.
func (s *toySlot) end(cause, err error) {
	if s.gone && s.src.fault != releaseIsNotIdempotent {
		return
	}
	if !s.gone {
		s.err = err
	}
	s.gone = true
	switch {
	case s.src.fault == neverEndsTheContext && err != nil:
	case s.src.fault == releaseDoesNotEndTheContext && err == nil:
	case s.src.fault == endsTheContextAfterTheNextGrant && err != nil:
		time.AfterFunc(time.Millisecond, func() { s.cancel(cause) })
	default:
		s.cancel(cause)
	}
	if !slices.Contains(s.src.held, s) {
		s.src.extra++ // given back twice
	}
	s.src.held = slices.DeleteFunc(s.src.held, func(o *toySlot) bool { return o == s })
	if s.src.fault == barges && err == nil {
		time.AfterFunc(time.Millisecond, func() {
			s.src.mu.Lock()
			defer s.src.mu.Unlock()
			s.src.grant()
		})
		return
	}
	s.src.grant()
}

// Abandon lets the lease end after a while.
func (s *toySlot) Abandon() {
	if s.src.fault == ignoresAbandon {
		return
	}
	time.AfterFunc(100*time.Millisecond, func() {
		s.src.mu.Lock()
		defer s.src.mu.Unlock()
		if !s.gone {
			s.end(slot.ErrLost, slot.ErrLost)
		}
	})
}

// TakeAway takes away every slot.
func (s *toy) TakeAway(string) {
	if s.fault == takingAwayTakesPlacesToo {
		s.dropLine()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, held := range slices.Clone(s.held) {
		cause, err := error(slot.ErrLost), error(slot.ErrLost)
		if s.fault == losesWithoutACause {
			cause = nil
		}
		held.end(cause, err)
		if s.fault == hidesALossFromRelease {
			held.err = nil
		}
	}
}

// Break ends every claim that waits, and then takes away every slot.
func (s *toy) Break() {
	s.dropLine()
	s.TakeAway("")
}

// Expire ends the one lease on which all slots and places hang.
func (s *toy) Expire(string) { s.Break() }

func (s *toy) dropLine() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.line {
		t.err = slot.ErrUnavailable
		if s.fault != waitsForEverAfterABreak {
			close(t.ready)
		}
	}
	s.line = nil
}

func (s *toy) Close(context.Context) error {
	if s.fault == closeHangs {
		<-s.stop
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, t := range s.line {
		t.err = slot.ErrClosed
		if s.fault != closeLeavesWaits {
			close(t.ready)
		}
	}
	s.line = nil
	if s.fault != closeKeepsWhatIsHeld {
		for _, held := range slices.Clone(s.held) {
			held.end(slot.ErrLost, slot.ErrLost)
		}
	}
	return nil
}
