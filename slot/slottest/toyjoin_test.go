package slottest

import (
	"context"
	"errors"
	"testing"

	"github.com/berth-go/berth/slot"
)

// This file makes the toy a slot.Joiner, by letting a goroutine wait.

type toyPlace struct {
	src  *toy
	left context.CancelCauseFunc
}

func (s *toy) Join(ctx context.Context, key string, c slot.Claimant) (slot.Place, error) {
	ticket, err := s.Enqueue(ctx, key)
	if err != nil {
		if s.fault == tellsOfAJoinThatFailed {
			c.Refused(err)
		}
		return nil, err
	}
	waits, leave := context.WithCancelCause(context.WithoutCancel(ctx))
	if s.fault == leaveIsIgnored {
		waits = context.WithoutCancel(ctx)
	}
	go func() {
		got, err := ticket.Wait(waits)
		switch {
		case err == nil:
			if s.fault == joinDropsAGrant && got.Info().Queued {
				return
			}
			c.Granted(got)
			if s.fault == tellsTwice {
				c.Granted(got)
			}
		case s.fault == closeTellsNobody && errors.Is(err, slot.ErrClosed):
		case s.fault == leaveHasNoCause:
			c.Refused(errors.New("toy: gone"))
		default:
			c.Refused(err)
		}
	}()
	return toyPlace{s, leave}, nil
}

func (p toyPlace) Leave() { p.left(slot.ErrClosed) }

func TestTellingTwiceIsFound(t *testing.T) {
	requireFound(t, tellsTwice, "AClaimantIsToldOnce", "although")
}

func TestAGrantThatNobodyIsToldOfIsFound(t *testing.T) {
	requireFound(t, joinDropsAGrant, "AClaimantIsToldOnce", "told of the slot for")
}

func TestTellingOfAJoinThatFailedIsFound(t *testing.T) {
	requireFound(t, tellsOfAJoinThatFailed, "AJoinThatFailsTellsNothing", "Join has returned an error")
}

func TestALeaveThatIsIgnoredIsFound(t *testing.T) {
	requireFound(t, leaveIsIgnored, "AClaimantThatLeavesLosesNoSlot", "was told nothing")
}

func TestALeaveWithoutACauseIsFound(t *testing.T) {
	requireFound(t, leaveHasNoCause, "AClaimantThatLeavesLosesNoSlot", "not ErrClosed")
}

func TestAGrantThatIsLostWhenItRacesALeaveIsFound(t *testing.T) {
	requireFound(t, losesASlotOnCancel, "AClaimantThatLeavesLosesNoSlot", "a slot is lost")
}

func TestCloseThatTellsNobodyIsFound(t *testing.T) {
	requireFound(t, closeTellsNobody, "CloseTellsEveryClaimant", "was told nothing")
}
