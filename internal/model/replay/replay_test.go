package replay

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is a trace by hand: a client claims a slot of key k, whose limit is 1, and has it.
// Leases are 10 s long.
type run struct {
	now    time.Time
	events []trace.Event
}

func newRun() *run {
	r := &run{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.note(trace.Event{Node: "server", Kind: trace.Restart})
	return r
}

func (r *run) note(e trace.Event) {
	e.At = r.now
	r.events = append(r.events, e)
}

func (r *run) after(d time.Duration) *run { r.now = r.now.Add(d); return r }

func (r *run) client(claim uint64, kind trace.Kind, what trace.Message) *run {
	conn := ""
	if kind == trace.Sent {
		conn = "c"
	}
	r.note(trace.Event{Node: "a", Kind: kind, What: what, Conn: conn, Key: "k", Claim: claim, Fence: claim, Limit: 1})
	return r
}

func (r *run) server(claim uint64, kind trace.Kind, what trace.Message) *run {
	r.note(trace.Event{Node: "server", Kind: kind, What: what, Conn: "c", Key: "k", Tag: claim, Fence: claim, Limit: 1})
	return r
}

// claims has a claim granted at once and begun.
func (r *run) claims(claim uint64) *run {
	r.client(claim, trace.Sent, trace.AskPlace).server(claim, trace.Enqueue, trace.Acquired)
	return r.client(claim, trace.Received, trace.Acquired).client(claim, trace.Begin, 0)
}

func (r *run) renews(claim uint64) *run {
	r.client(claim, trace.Sent, trace.AskLease).server(claim, trace.Renew, trace.Renewed)
	return r.client(claim, trace.Received, trace.Renewed)
}

const beat = 10 * time.Second / 3

func TestTheFirstForbiddenEventIsTheError(t *testing.T) {
	for name, tc := range map[string]struct {
		run  *run
		want string // "": it is a run of the model
	}{
		"a slot that is renewed and given back": {
			newRun().claims(1).after(beat).renews(1).after(beat).renews(1).
				client(1, trace.End, trace.Done).client(1, trace.Sent, trace.AskFree).server(1, trace.Release, 0).claims(2), "",
		},
		"two slots at a limit of one": {
			newRun().claims(1).claims(2), "no step of the model is like that",
		},
		"a slot is given back while its context lives": {
			newRun().claims(1).client(1, trace.Sent, trace.AskFree), "no step of the model is like that",
		},
		"a context outlives the guard": {
			newRun().claims(1).after(beat).client(1, trace.Sent, trace.AskLease).after(6100*time.Millisecond).client(1, trace.End, trace.Late),
			"has to close a connection on which a renewal was not answered in time",
		},
		"a slot that is not renewed": {
			newRun().claims(1).after(beat + 1).renews(1), "has to renew",
		},
		"a lease ends early": {
			newRun().claims(1).after(beat).server(1, trace.Expire, 0), "no step of the model is like that",
		},
		"a grant that nobody has asked for": {
			newRun().server(1, trace.Grant, 0), "it is about a claim that there is not",
		},
		"one fence for two grants": {
			newRun().claims(1).client(1, trace.End, trace.Done).client(1, trace.Sent, trace.AskFree).server(1, trace.Release, 0).
				client(2, trace.Sent, trace.AskPlace).server(1, trace.Enqueue, trace.Acquired), "its fence is that of another grant",
		},
	} {
		t.Run(name, func(t *testing.T) {
			stats, err := Setup{Strict: true, Lease: 10 * time.Second}.Check(tc.run.events)
			if tc.want == "" {
				require.NoError(t, err)
				require.Equal(t, 2, stats.Begun)
				return
			}
			require.ErrorContains(t, err, tc.want)
			var f *Forbidden
			require.ErrorAs(t, err, &f)
			require.Equal(t, tc.run.events[stats.Events-1].Kind, f.Event.Kind)
			require.ErrorContains(t, err, "--> ")
		})
	}
}

// TestTheTraceOfAFileIsARunOfTheModel replays the trace that BERTH_TRACE names, which a
// test has written that failed; without it, a short one.
func TestTheTraceOfAFileIsARunOfTheModel(t *testing.T) {
	var text bytes.Buffer
	setup := Setup{Strict: true, Lease: 10 * time.Second}
	require.NoError(t, setup.write(&text, newRun().claims(1).after(beat).renews(1).events))
	if name := os.Getenv(Variable); name != "" {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		text = *bytes.NewBuffer(file)
	}
	setup, events, err := read(&text)
	require.NoError(t, err)
	stats, err := setup.Check(events)
	require.NoError(t, err)
	require.NotZero(t, stats.Events)
	t.Logf("%+v: %+v", setup, stats)
}
