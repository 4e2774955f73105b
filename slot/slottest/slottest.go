package slottest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-go/berth/slot"
)

// A Harness is a source to check, and what it claims. The function that makes
// one is called for each check, and what it needs besides is ended with
// t.Cleanup. The source is closed by the check.
type Harness struct {
	// Source is the source, with no slot of Key held. It must be set.
	Source slot.Source
	// Key is the key to claim; "slottest" by default.
	Key string
	// Limit is the number of slots of Key. By default the source is asked, as
	// a slot.Limiter. With a limit of 1 some checks see less than with 2.
	Limit int

	// FIFO claims that slots are granted in the order of Enqueue.
	FIFO bool
	// Strict claims that a broken connection alone loses no slot, as
	// slot.Info.Strict says. That the engine does not lose its state is up to
	// tests of the engine.
	Strict bool
	// Fence claims that slots have a fencing token. It is checked where Limit
	// is 1.
	Fence bool

	// Prompt claims that a context which slot.All joins to a slot's ends in the
	// call that ends the slot, as it does for the sources of this module. The
	// contexts of package context cannot tell several others at once: without
	// this claim, it may end a moment later.
	Prompt bool

	// OwnLimits claims that each claim keeps its own limit, and makes another
	// source of the same slots whose claims bring that one. The check closes it.
	// Nil: all claims must have the same limit.
	OwnLimits func(limit int) slot.Source

	// Inspect claims that slot.Inspect tells who holds slots and who waits, each
	// with the name HolderName, and that tickets know their place in line (slot.Ahead).
	Inspect bool
	// HolderName is what holders of Source are called; slot.DefaultName() by default.
	HolderName string

	// Control claims that slot.Pause and slot.Revoke work, for as long as Within, and
	// that Source may do all of it. It needs Inspect.
	Control bool

	// Pace claims that slot.Pace gives Source a rate, which it shares with Peer if there is
	// one.
	Pace bool

	// Abandon claims that slots are slot.Abandoners, with a lease that ends
	// within the time of Within.
	Abandon bool

	// TakeAway makes the engine take every slot of key from its holder and give it
	// to the next in line, as somebody does who revokes it. Places in line stay.
	// Nil: slots cannot be lost in this way.
	TakeAway func(key string)
	// Expire makes the leases end by which Source holds slots of key, as when they
	// are not renewed. Where a lease is the whole source's, it ends with all that
	// hangs on it, places in line too: then their Wait returns ErrUnavailable or
	// ErrLost. Nil: there are no leases.
	Expire func(key string)
	// Silence cuts Source off from its engine until Heal: nothing arrives on
	// either side, and nothing tells the source so. What is under way may arrive
	// at Heal. Peer is not cut off, and claims all slots meanwhile; the contexts
	// of those that Source holds, or is granted in the silence, have to end first.
	// It needs Peer and Heal. Nil: there is nothing between the two.
	Silence func()
	// Break breaks the connections between the source and its engine. Nil:
	// there are none.
	Break func()
	// Heal ends what Break or Silence began. Nil: after Break the engine can be
	// reached again at once.
	Heal func()

	// Peer is another source of the same slots, which has to be able to claim
	// all of them once Source is closed. The check closes it. May be nil.
	Peer slot.Source
	// Ignore reports whether a goroutine that is left after Close is none of the
	// source's, but of a client of the engine that the caller owns, for example;
	// stack is as runtime.Stack has it. Nil: every one is a leak.
	Ignore func(stack string) bool
	// BadKeys are keys that the source has to refuse with slot.ErrKey.
	BadKeys []string

	// Within is how long a promise may take to be kept, at least the lease of a
	// slot and what follows its end; 5 s by default.
	Within time.Duration
	// Settle is how long to watch that something does not happen; 20 ms by
	// default.
	Settle time.Duration
	// Seed replays the random choices of a check; by default they differ, and
	// the seed is printed.
	Seed uint64
}

// withDefaults fills in what the harness leaves open.
func (h Harness) withDefaults() Harness {
	if h.Key == "" {
		h.Key = "slottest"
	}
	if l, ok := h.Source.(slot.Limiter); ok && h.Limit == 0 {
		h.Limit, _ = l.Limit(h.Key)
	}
	if h.HolderName == "" {
		h.HolderName = slot.DefaultName()
	}
	if h.Within == 0 {
		h.Within = 5 * time.Second
	}
	if h.Settle == 0 {
		h.Settle = 20 * time.Millisecond
	}
	if h.Ignore == nil {
		h.Ignore = func(string) bool { return false }
	}
	if h.Seed == 0 {
		h.Seed = rand.Uint64()
	}
	return h
}

// String says what the harness claims and what is not checked.
func (h Harness) String() string {
	var claimed, not []string
	for _, c := range []struct {
		name string
		is   bool
	}{
		{"order", h.FIFO}, {"strict", h.Strict}, {"fence", h.Fence}, {"prompt joins", h.Prompt}, {"limits of each claim", h.OwnLimits != nil}, {"who holds and waits", h.Inspect}, {"pauses and slots taken back", h.Control},
		{"a pace", h.Pace},
		{"abandoned slots", h.Abandon},
		{"slots taken away", h.TakeAway != nil}, {"ends of leases", h.Expire != nil}, {"silence", h.Silence != nil},
		{"broken connections", h.Break != nil}, {"a peer", h.Peer != nil}, {"bad keys", len(h.BadKeys) > 0},
	} {
		if c.is {
			claimed = append(claimed, c.name)
		} else {
			not = append(not, c.name)
		}
	}
	return fmt.Sprintf("limit %d; claimed: %s; not claimed and not checked: %s", h.Limit, list(claimed), list(not))
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// Run checks the sources that newHarness makes, each check in a subtest with a
// source of its own. The whole takes a few seconds with a source that answers
// within a millisecond.
func Run(t *testing.T, newHarness func(*testing.T) Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.do(t, newHarness(t)) })
	}
}

// RunSynctest is Run with each check, and the harness that it is made for, in a
// bubble of testing/synctest.
func RunSynctest(t *testing.T, newHarness func(*testing.T) Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.do(t, newHarness(t)) })
		})
	}
}

// A check is one promise of package slot.
type check struct {
	name string
	run  func(*run)
}

var checks = []check{
	{"TheHarness", checkHarness},
	{"TheLimitIsNeverPassed", checkLimit},
	{"TheLimitHoldsInAStorm", checkStorm},
	{"EnqueueNeverWaitsForHolders", checkEnqueue},
	{"InfoDescribesTheSlot", checkInfo},
	{"FencesRise", checkFence},
	{"GrantsFollowTheLine", checkOrder},
	{"NewcomersDoNotBarge", checkBarging},
	{"EachClaimKeepsItsOwnLimit", checkOwnLimits},
	{"InspectTellsWhoHoldsAndWhoWaits", checkInspect},
	{"APauseStopsGrants", checkPause},
	{"ARevokedSlotIsLostAndFreeLater", checkRevoke},
	{"StartsComeAtThePace", checkPace},
	{"TryNeverWaits", checkTry},
	{"BadKeysAreRefused", checkBadKeys},
	{"ACancelledClaimLosesNoSlot", checkCancel},
	{"ACancelThatRacesAGrantLosesNoSlot", checkCancelRace},
	{"AGrantDoesNotDependOnTheContextOfItsClaim", checkGrantOutlivesContext},
	{"AClosedTicketLeavesTheLine", checkTicketClose},
	{"AClaimantIsToldOnce", checkJoin},
	{"AJoinThatFailsTellsNothing", checkJoinRefused},
	{"AClaimantThatLeavesLosesNoSlot", checkLeave},
	{"ALeaveThatRacesAGrantLosesNoSlot", checkLeaveRace},
	{"CloseTellsEveryClaimant", checkCloseTells},
	{"ReleaseEndsTheContext", checkReleaseEnds},
	{"ReleaseIsIdempotent", checkReleaseTwice},
	{"WhatIsMadeOfASlotsContextEndsWithIt", checkDependants},
	{"ALostSlotEndsItsContext", checkLoss},
	{"ALostSlotIsGrantedOnlyAfterItsContextEnded", checkLossOrder},
	{"ALeaseThatEndsTakesItsSlots", checkLeaseEnd},
	{"ASlotEndsBeforeItsLeaseInSilence", checkGuard},
	{"AGrantThatComesTooLateIsNotUsed", checkLateGrant},
	{"AnAbandonedSlotEndsWithItsLease", checkAbandon},
	{"ABrokenConnectionIsSurvived", checkBreak},
	{"CloseGivesBackWhatIsHeld", checkCloseHeld},
	{"CloseEndsEveryWait", checkCloseWaits},
	{"CloseDuringClaims", checkCloseStorm},
}

// do runs the check, closes the source and looks for what it left behind.
func (c check) do(tb testing.TB, h Harness) {
	tb.Helper()
	if h.Source == nil {
		tb.Fatal("slottest: the harness has no Source")
	}
	h = h.withDefaults()
	if h.Limit < 1 {
		tb.Fatalf("slottest: the limit of key %q is not known: set Harness.Limit", h.Key)
	}
	r := &run{TB: tb, Harness: h, rand: rand.New(rand.NewPCG(h.Seed, 0)), held: new(holders)}
	before := goroutines()
	defer r.finish(before)
	c.run(r)
}

// checkHarness prints what the other checks are about.
func checkHarness(r *run) { r.Log(r.Harness) }

// finish closes what the check used, at whatever point it ended.
func (r *run) finish(before map[string]string) {
	for _, src := range append(r.others, r.Source, r.Peer) {
		if src == nil {
			continue
		}
		if err, ok := await(r, func() error { return src.Close(context.Background()) }); !ok || err != nil {
			r.Errorf("Close returned %v (in time: %t)", err, ok)
		}
	}
	if left := leftOver(before, r.Ignore, r.Within); left != "" {
		r.Errorf("%v after Close these goroutines are left:\n%s", r.Within, left)
	}
}
