//go:build unix

package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-go/berth/cmd/berth/internal/keeper"
)

// A message is a line from the keeper to the front.
type message struct {
	Event   *keeper.Event   `json:",omitempty"`
	Until   int64           `json:",omitempty"` // of the event, on the clock of the machine
	Outcome *keeper.Outcome `json:",omitempty"`
}

// event returns the event with its time in this process.
func (m message) event() keeper.Event {
	if m.Event == nil {
		return keeper.Event{}
	}
	e := *m.Event
	if m.Until != 0 {
		e.Until = time.Now().Add(time.Duration(m.Until - machineClock()))
	}
	return e
}

// machineClock returns the time since the machine started, which all processes
// share, nobody sets, and which goes on while the machine is suspended.
func machineClock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(bootClock, &ts); err != nil {
		panic("bug: the system has no monotonic clock: " + err.Error())
	}
	return ts.Nano()
}

// A teller sends messages without blocking who tells.
type teller struct {
	mu     sync.Mutex // guards what follows; never held while writing
	queue  []message
	closed bool
	more   chan struct{}
	done   chan struct{}
}

func newTeller(w io.Writer) *teller {
	t := &teller{more: make(chan struct{}, 1), done: make(chan struct{})}
	go t.write(json.NewEncoder(w))
	return t
}

// tell queues an event. Of two guards the later one counts, so that a front that is
// stopped for a day finds one.
func (t *teller) tell(e keeper.Event) {
	m := message{Event: &e}
	if !e.Until.IsZero() {
		m.Until = machineClock() + int64(time.Until(e.Until))
	}
	t.put(m)
}

func (t *teller) put(m message) {
	t.mu.Lock()
	if n := len(t.queue); n > 0 && m.Event != nil && m.Event.Kind == keeper.Held && t.queue[n-1].Event != nil && t.queue[n-1].Event.Kind == keeper.Held {
		t.queue[n-1] = m
	} else {
		t.queue = append(t.queue, m)
	}
	t.mu.Unlock()
	t.wake()
}

func (t *teller) wake() {
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// close returns when everything is written, or the front has gone.
func (t *teller) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.wake()
	<-t.done
}

// write writes what is queued until close. It owns done.
func (t *teller) write(to *json.Encoder) {
	defer close(t.done)
	for range t.more {
		for {
			m, ok, closed := t.next()
			if closed {
				return
			}
			if !ok {
				break
			}
			_ = to.Encode(m) // a front that is dead is noticed by the end of its orders
		}
	}
}

// next takes a message out of the queue. closed says that there is none and will be
// none.
func (t *teller) next() (m message, ok, closed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return m, false, t.closed
	}
	m, t.queue = t.queue[0], t.queue[1:]
	return m, true, false
}
