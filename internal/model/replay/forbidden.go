package replay

import (
	"fmt"
	"strings"

	"github.com/berth-go/berth/internal/trace"
)

const (
	// remembered is how many events of a key are shown with one that is forbidden.
	remembered = 40
	clock      = "15:04:05.000000000"
)

// A Forbidden is the first event of a trace that the model does not allow.
type Forbidden struct {
	Event  trace.Event
	Why    string
	Before []trace.Event // those of its key
	State  string        // of the model, after these
}

func (f *Forbidden) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the model does not allow this event of key %q: %s\n", f.Event.Key, f.Why)
	for _, e := range f.Before {
		fmt.Fprintf(&b, "    %s  %v\n", e.At.Format(clock), e)
	}
	fmt.Fprintf(&b, "--> %s  %v\nThe state of the model before it:\n%s", f.Event.At.Format(clock), f.Event, f.State)
	return b.String()
}

// note remembers an event for what may come.
func (l *line) note(e trace.Event) {
	if len(l.before) == 2*remembered {
		l.before = append(l.before[:0], l.before[remembered:]...)
	}
	l.before = append(l.before, e)
}

func (l *line) forbidden(e trace.Event, why string) error {
	before := l.before[max(0, len(l.before)-remembered):]
	f := &Forbidden{Event: e, Why: why, Before: append([]trace.Event(nil), before...)}
	f.Event.Key = l.key
	for i := range l.state.Peers {
		if p := &l.state.Peers[i]; !over(p) {
			f.State += fmt.Sprintf("    peer %d, %v: %+v\n", i, l.owners[i].name, *p)
		}
	}
	f.State += fmt.Sprintf("    line %v, halted %v, drained %v, grace left %v\n", l.state.Line, l.state.Halted, l.state.Stopped, l.state.Grace)
	return f
}
