package stacktest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/internal/model/replay"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/trace"
	"github.com/berth-go/berth/slot"
)

// A script is a run of a world in which each thing that can happen does, in an order
// that does not change: for one key of limit 1 and leases of 5 s. It asks nothing of
// what comes of it: that is for the replay to say.
type script struct {
	*world
	sources map[string]*dflockd.Source // by machine
	admin   *dflockd.Source
}

// scripted plays the script over a network with this delay in each direction, and
// returns what was noted.
func scripted(t *testing.T, m mode, delay time.Duration) (replay.Setup, []trace.Event) {
	s := &script{world: newNotedWorld(t, m, 1, 5*time.Second), sources: map[string]*dflockd.Source{}}
	s.net.Set(faultnet.Everybody, faultnet.Conditions{Delay: delay})
	for _, machine := range []string{"a", "b", "c"} {
		s.sources[machine] = s.source(machine)
	}
	s.admin = s.open("ops", slot.Keyed("", 1), dflockd.WithAuth(adminSecret))
	time.Sleep(6 * time.Second) // the grace after the start
	s.playLine()
	s.playMeddling()
	s.playFaults()
	s.playRestart()
	for _, src := range s.sources {
		_ = src.Close(context.Background())
	}
	_ = s.admin.Close(context.Background())
	s.close()
	return replay.Setup{Strict: m == strict, Lease: s.lease}, s.journal.Events()
}

// playLine has a slot renewed, others wait for it, and one of them leave.
func (s *script) playLine() {
	a := s.has(s.claim("a"))
	b, c := s.claim("b"), s.claim("c")
	time.Sleep(4 * time.Second)
	require.NoError(s.t, c.Close())
	s.settle()
	s.release(a)
	s.release(s.has(b))
}

// playMeddling has somebody pause the key and take a slot back.
func (s *script) playMeddling() {
	a := s.has(s.claim("a"))
	require.NoError(s.t, s.admin.Pause(s.t.Context(), "key", 2*time.Second))
	b := s.claim("b")
	time.Sleep(time.Second)
	s.release(a)
	s.has(b) // after the pause
	b = s.claim("c")
	if st, err := s.admin.Inspect(s.t.Context(), "key"); err == nil && len(st.Holders) > 0 {
		require.NoError(s.t, s.admin.Revoke(s.t.Context(), "key", st.Holders[0].ID))
	}
	s.release(s.has(b)) // when the lease has ended
}

// playFaults has connections break and messages be late.
func (s *script) playFaults() {
	b := s.has(s.claim("b"))
	waits := s.claim("c")
	s.net.Reset("b")
	time.Sleep(4 * time.Second)
	s.release(b) // lost, unless the server is strict
	s.has(waits)
	// Nothing that the server sends arrives: not the answer to a renewal, and not the
	// news of a grant until its lease has run out.
	waits = s.claim("a")
	s.net.Set("c", faultnet.Conditions{HoldDown: true})
	a := s.has(waits)
	s.net.Set("c", faultnet.Conditions{})
	time.Sleep(2 * time.Second)
	waits = s.claim("b")
	s.net.Set("b", faultnet.Conditions{HoldDown: true})
	s.release(a)
	time.Sleep(6 * time.Second)
	s.net.Set("b", faultnet.Conditions{})
	s.release(s.has(waits)) // nothing: the grant has run out
}

// playRestart has the server restart, and a claim wait for the end of its grace.
func (s *script) playRestart() {
	s.has(s.claim("a"))
	s.restart(time.Second)
	time.Sleep(2 * time.Second)
	b := s.has(s.claimUntil("b"))
	time.Sleep(3 * time.Second)
	s.release(b)
}

// claim claims a slot.
func (s *script) claim(machine string) slot.Ticket {
	ticket, err := s.sources[machine].Enqueue(s.t.Context(), "key")
	require.NoError(s.t, err)
	s.settle()
	return ticket
}

// claimUntil claims until the machine has a connection again.
func (s *script) claimUntil(machine string) slot.Ticket {
	for {
		ticket, err := s.sources[machine].Enqueue(s.t.Context(), "key")
		if err == nil {
			return ticket
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// has waits for the slot, for as long as it should take at most, and returns nil if
// there is none.
func (s *script) has(ticket slot.Ticket) slot.Slot {
	ctx, cancel := context.WithTimeout(s.t.Context(), 15*time.Second)
	defer cancel()
	granted, err := ticket.Wait(ctx)
	if err != nil {
		return nil
	}
	return granted
}

// release gives a slot back, if there is one.
func (s *script) release(granted slot.Slot) {
	if granted != nil {
		_ = granted.Release()
	}
	s.settle()
}

// settle lets what was sent arrive.
func (s *script) settle() {
	time.Sleep(200 * time.Millisecond)
	synctest.Wait()
}
