package locktable

import (
	"time"

	"github.com/berth-go/berth/internal/trace"
)

// This file has what a table notes for tests, see package trace: grants from a line,
// places and slots that end, connections that do, pauses and slots taken back. What
// else happens, the results of the calls say.

// note notes what becomes of a claim.
func (t *Table) note(kind trace.Kind, cl *claim) {
	if t.cfg.Note != nil {
		t.noted(kind, cl)
	}
}

func (t *Table) noted(kind trace.Kind, cl *claim) {
	t.cfg.Note(t.now, cl.conn, trace.Event{Kind: kind, Key: cl.lock.key, Tag: cl.tag, Fence: cl.token.Fence()})
}

// noteDrop notes that a connection has ended.
func (t *Table) noteDrop(c *Conn) {
	if t.cfg.Note != nil {
		t.cfg.Note(t.now, c, trace.Event{Kind: trace.Drop})
	}
}

// notePause notes how long a pause lasts from now on.
func (t *Table) notePause(p *pause) {
	if t.cfg.Note != nil {
		t.cfg.Note(t.now, nil, trace.Event{Kind: trace.Pause, Key: p.key, Length: p.until - t.now})
	}
}

func (t *Table) notePauseEnd(p *pause) {
	if t.cfg.Note != nil {
		t.cfg.Note(t.now, nil, trace.Event{Kind: trace.Pause, Key: p.key})
	}
}

func (t *Table) noteDrain() {
	if t.cfg.Note != nil {
		t.cfg.Note(t.now, nil, trace.Event{Kind: trace.Drain})
	}
}

// Now returns the time of the last call, or a later one of those before.
func (t *Table) Now() time.Duration { return t.now }
