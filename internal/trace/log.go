package trace

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// ClientOption and ServerOption return the options of packages dflockd and server
// that give them a log. They are set when these packages are loaded; their results
// are a dflockd.Option and a server.Option.
var (
	ClientOption func(*Log) any
	ServerOption func(*Log) any
)

// A Journal has the events of one process, or of all in a test that has only one. It
// is safe for concurrent use.
type Journal struct {
	out io.Writer // nil: events are kept

	mu     sync.Mutex // guards what follows; held while an event is written, see doc.go
	events []Event
	last   time.Time
	claims uint64
}

// NewJournal returns a journal that writes each event to out, a line each, and keeps
// none; without out it keeps them.
func NewJournal(out io.Writer) *Journal { return &Journal{out: out} }

// Of returns a log that notes in the journal what a node does: one client, or the
// server.
func (j *Journal) Of(node string) *Log { return &Log{journal: j, node: node} }

// A Log is where a client or a server notes what it does. A nil Log notes nothing.
type Log struct {
	journal *Journal
	node    string
}

// Note notes an event.
func (l *Log) Note(e Event) {
	if l == nil {
		return
	}
	e.Node = l.node
	l.journal.note(e)
}

// NextClaim returns a number for a claim, from 1.
func (l *Log) NextClaim() uint64 {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	l.journal.claims++
	return l.journal.claims
}

func (j *Journal) note(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.At.Before(j.last) {
		e.At = j.last
	}
	j.last = e.At
	if j.out == nil {
		j.events = append(j.events, e)
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	if err != nil {
		panic("trace: an event cannot be written: " + err.Error())
	}
}

// Events returns what was noted so far.
func (j *Journal) Events() []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Event(nil), j.events...)
}

// Read returns the events that a journal wrote. The last line of a process that was
// killed may be cut off: it was noted before anything followed from it.
func Read(in io.Reader) (events []Event, err error) {
	for lines := json.NewDecoder(in); ; {
		var e Event
		switch err := lines.Decode(&e); err {
		case nil:
			events = append(events, e)
		case io.EOF, io.ErrUnexpectedEOF:
			return events, nil
		default:
			return events, err
		}
	}
}
