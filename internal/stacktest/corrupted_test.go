package stacktest_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/trace"
)

// A corruption is what is done to an event of a trace.
type corruption uint8

const (
	dropped corruption = iota
	doubled
	moved // before the event of the same claim, connection or server that precedes it
)

var corruptions = map[corruption]string{dropped: "dropped", doubled: "doubled", moved: "moved"}

// A harmless is a corruption that leaves a trace of something that could have happened.
type harmless struct {
	kind trace.Kind
	what trace.Message
	how  corruption
	why  string
}

var harmlessOnes = []harmless{
	{trace.Sent, trace.AskSlot, moved, "a client may claim at any time"},
	{trace.Sent, trace.AskPlace, moved, "a client may claim at any time"},
	{trace.Sent, trace.AskWait, moved, "the wait may be sent with the request for the place"},
	{trace.Sent, trace.AskLease, moved, "a lease may be renewed early"},
	{trace.Sent, trace.AskLeave, moved, "a claimant may leave at any time"},
	{trace.Received, trace.Queued, dropped, "the answer may be lost with its connection, as long as no later one arrives"},
	{trace.Received, trace.Renewed, dropped, "the answer may be lost, as long as the slot is given back before the next renewal"},
	{trace.Received, trace.Refused, dropped, "the claimant has left: nothing follows from it"},
	{trace.Received, trace.Denied, dropped, "a grant that is not confirmed: nothing follows from it"},
	{trace.End, trace.Broken, moved, "where slots end with their connections, these may break at any time"},
	{trace.Close, 0, dropped, "a client may not yet know, as long as it sends nothing over another connection"},
	{trace.Close, 0, moved, "a connection may break at any time"},
	{trace.Renew, trace.Renewed, dropped, "the request may not arrive, as its answer did not"},
	{trace.Renew, trace.Denied, dropped, "the request may not arrive, as its answer did not"},
	{trace.Release, 0, dropped, "a server may stop before a release arrives"},
	{trace.Drop, 0, dropped, "a server may not know yet, as long as it frees and grants nothing because of it"},
	{trace.Drop, 0, moved, "a connection may break at any time"},
	{trace.Pause, 0, moved, "somebody may pause a key at any time while nothing is granted of it"},
	{trace.Pause, 0, doubled, "twice is as once"},
	{trace.Revoke, 0, moved, "somebody may take a slot back at any time"},
	{trace.Revoke, 0, doubled, "twice is as once"},
	{trace.Drain, 0, dropped, "a server may stop without a drain, as long as it turns nobody out"},
	{trace.Drain, 0, moved, "a server may drain at any time"},
	{trace.Restart, 0, dropped, "the first server of a trace may have been there before"},
	{trace.Restart, 0, doubled, "a server may restart at any time, and again"},
	{trace.Restart, 0, moved, "the time in which a server is down may be shorter"},
}

// TestATraceThatIsCorruptedIsNoRunOfTheModel corrupts each event of a recorded run, in
// each way, and asks that the replay notices, but where the trace still says something
// that could have happened.
func TestATraceThatIsCorruptedIsNoRunOfTheModel(t *testing.T) {
	caught, seen := map[string]int{}, map[trace.Kind]bool{}
	total := 0
	for _, m := range []mode{strict, immediate} {
		synctest.Test(t, func(t *testing.T) {
			setup, events := scripted(t, m, 0)
			_, err := setup.Check(events)
			require.NoError(t, err)
			for i, e := range events {
				seen[e.Kind] = true
				for how := range corruptions {
					bad := corrupted(events, i, how)
					if bad == nil {
						continue
					}
					if _, err := setup.Check(bad); err == nil {
						assert.NotEmptyf(t, why(e, how), "%v: nobody notices that event %d is %s: %v", m, i, corruptions[how], e)
						continue
					}
					total++
					caught[fmt.Sprintf("%-8v %s", e.Kind, corruptions[how])]++
				}
			}
		})
	}
	for kind := trace.Sent; kind < trace.Kill; kind++ {
		require.Truef(t, seen[kind] || kind.String() == "", "the run has no event of kind %v", kind)
		for how, name := range corruptions {
			line := fmt.Sprintf("%-8v %s", kind, name)
			if kind.String() != "" && caught[line] == 0 {
				require.NotEmptyf(t, whyKind(kind, how), "no event of kind %v was noticed that was %s", kind, name)
			}
		}
	}
	for _, line := range slices.Sorted(maps.Keys(caught)) {
		t.Logf("%s: %d noticed", line, caught[line])
	}
	counts.Report(t, counts.Of{"corruptions-noticed": total})
}

// why says why it does no harm to corrupt an event, or "".
func why(e trace.Event, how corruption) string {
	for _, h := range harmlessOnes {
		if h.kind == e.Kind && h.how == how && (h.what == 0 || h.what == e.What) {
			return h.why
		}
	}
	return ""
}

func whyKind(kind trace.Kind, how corruption) string {
	for _, h := range harmlessOnes {
		if h.kind == kind && h.how == how {
			return h.why
		}
	}
	return ""
}

// corrupted returns a copy of a trace in which an event is corrupted, or nil.
func corrupted(events []trace.Event, i int, how corruption) []trace.Event {
	bad := slices.Clone(events)
	switch how {
	case dropped:
		return slices.Delete(bad, i, i+1)
	case doubled:
		return slices.Insert(bad, i, events[i])
	}
	for j := i - 1; j >= 0; j-- {
		if related(events[i], events[j]) {
			e := events[i]
			e.At = events[j].At
			return slices.Insert(slices.Delete(bad, i, i+1), j, e)
		}
	}
	return nil
}

// related reports whether two events are about one claim, one connection, or one of
// them about all of a key.
func related(a, b trace.Event) bool {
	all := func(e trace.Event) bool {
		return e.Kind == trace.Restart || e.Kind == trace.Drain || e.Kind == trace.Pause
	}
	return a.Fence != 0 && a.Fence == b.Fence || a.Claim != 0 && a.Claim == b.Claim && a.Node == b.Node ||
		a.Conn != "" && a.Conn == b.Conn || all(a) && b.Node == a.Node || all(b) && a.Node == b.Node
}
