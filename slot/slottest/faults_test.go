package slottest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// A recorder is a testing.TB whose failures fail nothing.
type recorder struct {
	testing.TB
	mu       sync.Mutex // guards what follows
	failures []string
	skipped  bool
}

func (r *recorder) Helper()                   {}
func (r *recorder) Log(...any)                {}
func (r *recorder) Logf(string, ...any)       {}
func (r *recorder) Error(args ...any)         { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.note(fmt.Sprintf(f, a...)) }
func (r *recorder) Fatal(args ...any)         { r.note(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.note(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (r *recorder) Skip(...any)               { r.skipped = true; runtime.Goexit() }

func (r *recorder) note(failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, failure)
}

// failures returns what each check says of the sources that newHarness makes.
func failures(t *testing.T, newHarness func(*testing.T) Harness) map[string][]string {
	found := make(map[string][]string)
	for _, c := range checks {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.do(rec, newHarness(t))
			}()
			<-done
			if len(rec.failures) > 0 {
				found[c.name] = rec.failures
			}
		})
	}
	return found
}

// toyHarness claims all that there is to claim.
func toyHarness(limit int, f fault) func(*testing.T) Harness {
	return func(t *testing.T) Harness {
		src := newToy(t, limit, f)
		return Harness{
			Source: src, Limit: limit, FIFO: true, Fence: true, BadKeys: []string{"bad"},
			Inspect: true, Control: true, Pace: true,
			OwnLimits: func(limit int) slot.Source { return toyClient{src, limit} },
			Abandon:   true, TakeAway: src.TakeAway, Expire: src.Expire, Break: src.Break, Within: 2 * time.Second,
		}
	}
}

// requireFound fails unless the check finds the fault, at every limit given.
func requireFound(t *testing.T, f fault, check, says string, limits ...int) {
	t.Helper()
	if limits == nil {
		limits = []int{1, 3}
	}
	for _, limit := range limits {
		found := failures(t, toyHarness(limit, f))
		require.Contains(t, found, check, "limit %d", limit)
		require.Contains(t, strings.Join(found[check], "\n"), says, "limit %d", limit)
	}
}

func TestASourceWithoutAFaultPasses(t *testing.T) {
	for _, limit := range []int{1, 2, 5} {
		require.Empty(t, failures(t, toyHarness(limit, none)))
	}
}

func TestAPromptnessThatIsNotThereIsFound(t *testing.T) {
	const check, says = "WhatIsMadeOfASlotsContextEndsWithIt", "Release returned and a context that slot.All joined"
	for _, claimed := range []bool{true, false} {
		found := failures(t, func(t *testing.T) Harness {
			h := toyHarness(2, tellsFollowersLate)(t)
			h.Prompt = claimed
			return h
		})
		require.Len(t, found, 1)
		require.Equal(t, claimed, strings.Contains(strings.Join(found[check], "\n"), says), "claimed: %v", claimed)
	}
}

func TestGrantingOneTooManyIsFound(t *testing.T) {
	requireFound(t, grantsOneTooMany, "TheLimitIsNeverPassed", "limit is passed")
	requireFound(t, grantsOneTooMany, "TheLimitHoldsInAStorm", "limit is passed")
}

func TestGrantingTheLastInLineIsFound(t *testing.T) {
	requireFound(t, grantsTheLastInLine, "GrantsFollowTheLine", "place 5 of the line")
}

func TestBargingIsFound(t *testing.T) {
	requireFound(t, barges, "NewcomersDoNotBarge", "Try was granted a slot for which somebody waited")
}

func TestForgettingTheLimitsOfHoldersIsFound(t *testing.T) {
	requireFound(t, forgetsTheLimitsOfHolders, "EachClaimKeepsItsOwnLimit", "the limit of a claim is passed")
}

func TestPassingASmallerLimitIsFound(t *testing.T) {
	requireFound(t, passesASmallerLimit, "EachClaimKeepsItsOwnLimit", "the limit of a claim is passed")
}

func TestLeavingALineThatServesNobodyIsFound(t *testing.T) {
	requireFound(t, leavingServesNobody, "EachClaimKeepsItsOwnLimit", "a slot is lost")
}

func TestMiscountingThoseWhoHoldIsFound(t *testing.T) {
	requireFound(t, miscountsHolders, "InspectTellsWhoHoldsAndWhoWaits", "hold and 2 wait")
}

func TestOneIDForTwoHoldersIsFound(t *testing.T) {
	requireFound(t, repeatsIDs, "InspectTellsWhoHoldsAndWhoWaits", "it is that of no other", 3)
}

func TestALineThatIsListedBackwardsIsFound(t *testing.T) {
	requireFound(t, listsTheLineBackwards, "InspectTellsWhoHoldsAndWhoWaits", "the first in line waits since")
}

func TestANameThatIsNotToldIsFound(t *testing.T) {
	requireFound(t, hidesNames, "InspectTellsWhoHoldsAndWhoWaits", `somebody is called ""`)
}

func TestAWrongPlaceInLineIsFound(t *testing.T) {
	requireFound(t, miscountsTheLine, "InspectTellsWhoHoldsAndWhoWaits", "were in line in front of it")
}

func TestIgnoringAPauseIsFound(t *testing.T) {
	requireFound(t, ignoresPauses, "APauseStopsGrants", "the key is paused")
}

func TestCuttingAPauseShortIsFound(t *testing.T) {
	requireFound(t, cutsPausesShort, "APauseStopsGrants", "the key is paused")
}

func TestAPauseThatNeverEndsIsFound(t *testing.T) {
	requireFound(t, neverEndsAPause, "APauseStopsGrants", "Wait did not return")
}

func TestARevokeThatEndsAllIsFound(t *testing.T) {
	requireFound(t, endsAllWithARevoke, "ARevokedSlotIsLostAndFreeLater", "another slot has ended", 3)
}

func TestARevokeWithoutACauseIsFound(t *testing.T) {
	requireFound(t, revokesWithoutACause, "ARevokedSlotIsLostAndFreeLater", "not ErrRevoked")
}

func TestARevokeThatDoesNothingIsFound(t *testing.T) {
	requireFound(t, revokesNothing, "ARevokedSlotIsLostAndFreeLater", "did not end within")
}

func TestEnqueueThatWaitsForHoldersIsFound(t *testing.T) {
	requireFound(t, enqueueWaitsForHolders, "EnqueueNeverWaitsForHolders", "must not wait for the holders")
}

func TestAForgottenKeyIsFound(t *testing.T) {
	requireFound(t, forgetsTheKey, "InfoDescribesTheSlot", "Info.Key")
}

func TestAForgottenWaitIsFound(t *testing.T) {
	requireFound(t, forgetsThatItQueued, "InfoDescribesTheSlot", "Info.Queued")
}

func TestARepeatedFenceIsFound(t *testing.T) {
	requireFound(t, repeatsFences, "FencesRise", "fence 1 after one with 1", 1)
}

func TestAFenceThatIsRepeatedInLineIsFound(t *testing.T) {
	requireFound(t, repeatsFencesInLine, "FencesRise", "a grant from the line has fence 2 after one with 2", 1)
}

func TestATryThatWaitsIsFound(t *testing.T) {
	requireFound(t, tryWaitsInLine, "TryNeverWaits", "did not return within")
}

func TestATryThatLeavesItsPlaceIsFound(t *testing.T) {
	requireFound(t, tryLeavesItsPlace, "TryNeverWaits", "a slot is lost")
}

func TestAcceptingABadKeyIsFound(t *testing.T) {
	requireFound(t, acceptsBadKeys, "BadKeysAreRefused", "not ErrKey")
}

func TestLosingASlotOnCancelIsFound(t *testing.T) {
	requireFound(t, losesASlotOnCancel, "ACancelledClaimLosesNoSlot", "a slot is lost")
}

func TestLosingAGrantThatRacesACancelIsFound(t *testing.T) {
	requireFound(t, losesAGrantThatRacesACancel, "AClosedTicketLeavesTheLine", "a slot is lost")
}

func TestHidingTheCauseOfACancelIsFound(t *testing.T) {
	requireFound(t, hidesTheCauseOfACancel, "ACancelledClaimLosesNoSlot", "not the cause")
}

func TestEndingSlotsWithTheContextOfTheirClaimIsFound(t *testing.T) {
	requireFound(t, endsSlotsWithTheClaimsContext, "AGrantDoesNotDependOnTheContextOfItsClaim", "ended with that of its claim")
}

func TestClosingATicketThatTakesTheSlotIsFound(t *testing.T) {
	requireFound(t, closingATicketTakesTheSlot, "AClosedTicketLeavesTheLine", "took the slot from its holder")
}

func TestClosingATicketWithoutEndingItsWaitIsFound(t *testing.T) {
	requireFound(t, closingATicketDoesNotEndItsWait, "AClosedTicketLeavesTheLine", "Wait did not return")
}

func TestReleaseWithoutEndingTheContextIsFound(t *testing.T) {
	requireFound(t, releaseDoesNotEndTheContext, "ReleaseEndsTheContext", "has not ended")
}

func TestReleaseWithoutACauseIsFound(t *testing.T) {
	requireFound(t, releaseHasNoCause, "ReleaseEndsTheContext", "not ErrReleased")
}

func TestReleaseThatIsNotIdempotentIsFound(t *testing.T) {
	requireFound(t, releaseIsNotIdempotent, "ReleaseIsIdempotent", "limit is passed")
}

func TestNeverEndingTheContextOfALostSlotIsFound(t *testing.T) {
	requireFound(t, neverEndsTheContext, "ALostSlotEndsItsContext", "did not end within")
	requireFound(t, neverEndsTheContext, "ALostSlotIsGrantedOnlyAfterItsContextEnded", "limit is passed")
}

func TestEndingTheContextAfterTheNextGrantIsFound(t *testing.T) {
	requireFound(t, endsTheContextAfterTheNextGrant, "ALostSlotIsGrantedOnlyAfterItsContextEnded", "limit is passed")
}

func TestALossThatReleaseHidesIsFound(t *testing.T) {
	requireFound(t, hidesALossFromRelease, "ALostSlotEndsItsContext", "Release of a lost slot")
}

func TestALossWithoutACauseIsFound(t *testing.T) {
	requireFound(t, losesWithoutACause, "ALostSlotEndsItsContext", "not ErrLost")
}

func TestTakingAwayPlacesWithTheSlotsIsFound(t *testing.T) {
	requireFound(t, takingAwayTakesPlacesToo, "ALostSlotIsGrantedOnlyAfterItsContextEnded", "source unavailable")
}

func TestWaitingForEverAfterTheEndOfALeaseIsFound(t *testing.T) {
	requireFound(t, waitsForEverAfterABreak, "ALeaseThatEndsTakesItsSlots", "Wait did not return")
}

func TestALeaseThatEndsWithoutTheContextIsFound(t *testing.T) {
	requireFound(t, neverEndsTheContext, "ALeaseThatEndsTakesItsSlots", "did not end within")
	requireFound(t, hidesALossFromRelease, "ALeaseThatEndsTakesItsSlots", "Release of a lost slot")
}

func TestAnAbandonedSlotThatIsKeptIsFound(t *testing.T) {
	requireFound(t, ignoresAbandon, "AnAbandonedSlotEndsWithItsLease", "a slot is lost")
}

func TestASlotThatCannotBeAbandonedIsFound(t *testing.T) {
	found := failures(t, func(*testing.T) Harness {
		return Harness{Source: slot.NewLocal(1), Strict: true, Abandon: true}
	})
	require.Len(t, found, 1)
	require.Contains(t, found, "AnAbandonedSlotEndsWithItsLease")
}

func TestWaitingForEverAfterABreakIsFound(t *testing.T) {
	requireFound(t, waitsForEverAfterABreak, "ABrokenConnectionIsSurvived", "Wait did not return")
}

func TestAStrictSourceThatLosesSlotsWithAConnectionIsFound(t *testing.T) {
	found := failures(t, func(t *testing.T) Harness {
		h := toyHarness(2, none)(t)
		h.Strict = true
		return h
	})
	require.Contains(t, strings.Join(found["ABrokenConnectionIsSurvived"], "\n"), "lost a slot that the harness says is strict")
}

func TestCloseThatKeepsWhatIsHeldIsFound(t *testing.T) {
	requireFound(t, closeKeepsWhatIsHeld, "CloseGivesBackWhatIsHeld", "has not ended")
}

func TestCloseThatLeavesWaitsIsFound(t *testing.T) {
	requireFound(t, closeLeavesWaits, "CloseEndsEveryWait", "Wait did not return")
}

func TestCloseThatHangsIsFound(t *testing.T) {
	requireFound(t, closeHangs, "CloseDuringClaims", "in time: false")
}

func TestAnEnqueueThatOutlivesCloseIsFound(t *testing.T) {
	requireFound(t, enqueueOutlivesClose, "CloseDuringClaims", "claims did not end within")
}

func TestAClosedSourceThatGrantsIsFound(t *testing.T) {
	requireFound(t, closedSourceGrants, "CloseGivesBackWhatIsHeld", "not ErrClosed")
}

func TestALeakedGoroutineIsFound(t *testing.T) {
	requireFound(t, leaksAGoroutine, "TheLimitIsNeverPassed", "goroutines are left")
}

func TestAGoroutineOfSomebodyElseIsNoLeak(t *testing.T) {
	leaks := func(owner string) map[string][]string {
		return failures(t, func(t *testing.T) Harness {
			h := toyHarness(2, leaksAGoroutine)(t)
			h.Ignore = func(stack string) bool { return strings.Contains(stack, owner) }
			return h
		})
	}
	require.Empty(t, leaks(".(*toy).leak("))
	require.NotEmpty(t, leaks(".(*client).readLoop("))
}

func TestASourceThatPeersCannotFollowIsFound(t *testing.T) {
	found := failures(t, func(t *testing.T) Harness {
		src, peer := slot.NewLocal(2), slot.NewLocal(1)
		return Harness{Source: src, Peer: peer, Strict: true}
	})
	require.Contains(t, found, "CloseGivesBackWhatIsHeld")
}

func TestAWrongClaimOfStrictnessIsFound(t *testing.T) {
	found := failures(t, func(t *testing.T) Harness {
		return Harness{Source: slot.NewLocal(1), Strict: false}
	})
	require.Contains(t, found, "InfoDescribesTheSlot")
}

func TestAHarnessWithoutASourceOrALimitIsRefused(t *testing.T) {
	for _, h := range []Harness{{}, {Source: NewBreakable(nil)}} {
		found := failures(t, func(*testing.T) Harness { return h })
		require.Len(t, found, len(checks))
	}
}

func TestWhatIsNotClaimedIsNotCheckedAndIsSaid(t *testing.T) {
	newHarness := func(t *testing.T) Harness {
		return Harness{Source: newToy(t, 1, grantsTheLastInLine), Limit: 1, Seed: 7}
	}
	require.Empty(t, failures(t, newHarness))
	require.Equal(t, "limit 1; claimed: nothing; not claimed and not checked: "+
		"order, strict, fence, prompt joins, limits of each claim, who holds and waits, pauses and slots taken back, a pace, abandoned slots, slots taken away, ends of leases, silence, broken connections, a peer, bad keys", newHarness(t).String())
}
