package trace

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTimeNeverGoesBackWithinAJournal(t *testing.T) {
	j := NewJournal(nil)
	a, b := j.Of("a"), j.Of("b")
	now := time.Now()
	a.Note(Event{At: now, Kind: Sent})
	b.Note(Event{At: now.Add(-time.Second), Kind: Grant})
	require.Equal(t, []Event{{At: now, Node: "a", Kind: Sent}, {At: now, Node: "b", Kind: Grant}}, j.Events())
	require.EqualValues(t, 1, a.NextClaim())
	require.EqualValues(t, 2, b.NextClaim(), "a number is given once in a journal")
}

func TestNilLogNotesNothing(t *testing.T) {
	var l *Log
	l.Note(Event{Kind: Sent})
}

func TestWhatIsWrittenIsReadAlsoIfItsEndIsCutOff(t *testing.T) {
	var out bytes.Buffer
	j := NewJournal(&out)
	now := time.Now()
	e := Event{At: now, Kind: Received, What: Granted, Conn: "127.0.0.1:7", Key: "k", Claim: 3, Fence: 4, Limit: 5, Length: time.Second}
	j.Of("a").Note(e)
	e.Node, e.At = "a", now.Round(0) // the monotonic reading does not leave the process
	j.Of("a").Note(Event{At: now, Kind: Begin})
	for cut, want := range map[int]int{0: 2, 1: 2, 5: 1} {
		got, err := Read(bytes.NewReader(out.Bytes()[:out.Len()-cut]))
		require.NoError(t, err)
		require.Len(t, got, want)
		require.True(t, e.At.Equal(got[0].At))
		got[0].At = e.At
		require.Equal(t, e, got[0])
	}
}

func TestAnEventIsALine(t *testing.T) {
	e := Event{Node: "a", Kind: Received, What: Granted, Key: "k", Claim: 3, Fence: 4}
	require.Equal(t, "a        received (granted) key=k claim=3 fence=4", e.String())
	require.Equal(t, "ask for a slot, given up", (AskSlot | Unheard).String())
	for kind, name := range kindNames {
		require.Equal(t, name, kind.String())
	}
}
