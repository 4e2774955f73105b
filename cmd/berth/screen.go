package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/cmd/berth/internal/keeper"
)

// A screen says on standard error how a job goes: its progress on a terminal, what
// is wrong anywhere. With JSON it says everything, a line each.
type screen struct {
	w        io.Writer
	key      string
	limit    int
	terminal bool
	quiet    bool
	json     bool

	away bool // said that the engine is away
	told bool // of a place in line
}

// show tells of an event.
func (s *screen) show(e keeper.Event) {
	e.Reason = engine.Words(e.Reason)
	switch {
	case s.json:
		s.record(record{
			Event: string(e.Kind), Ahead: e.Ahead, Waited: e.Waited.Seconds(), Pid: e.Pid,
			Signal: int(e.Signal), Reason: e.Reason, Left: e.Left,
		})
	case s.quiet:
	default:
		if line := s.line(e); line != "" {
			fmt.Fprintf(s.w, "berth: %s\n", line)
		}
	}
}

// line returns what there is to say about an event, or "".
func (s *screen) line(e keeper.Event) string {
	switch e.Kind {
	case keeper.Queued:
		return s.queued(e)
	case keeper.Granted:
		if s.terminal && s.told {
			return fmt.Sprintf("the slot was granted after %v", e.Waited.Round(time.Second))
		}
	case keeper.Away:
		if !s.away {
			s.away = true
			return fmt.Sprintf("waiting for the engine: %s", e.Reason)
		}
	case keeper.Ending:
		return fmt.Sprintf("%s: it is asked to end", e.Reason)
	case keeper.Stubborn:
		return fmt.Sprintf("processes that do not end: %v; the slot is kept for them as long as it can be renewed", e.Left)
	}
	return ""
}

// queued tells of a place in line.
func (s *screen) queued(e keeper.Event) string {
	again := s.away
	s.away, s.told = false, true
	switch {
	case again:
		return "the engine is back: waiting at the end of the line" + ahead(e)
	case s.terminal:
		return fmt.Sprintf("waiting for a slot of %q (limit %d)", s.key, s.limit) + ahead(e)
	}
	return ""
}

func ahead(e keeper.Event) string {
	if e.Ahead == nil {
		return ""
	}
	return fmt.Sprintf(", %d in front", *e.Ahead)
}

// over tells programs how the job ended. People get the error.
func (s *screen) over(o keeper.Outcome, code int) {
	if s.json {
		s.record(record{Event: "over", How: o.Kind, Signal: int(o.Signal), Reason: engine.Words(o.Reason), Status: &code})
	}
}

// A record is a line for programs.
type record struct {
	Event  string      `json:"event"`
	Key    string      `json:"key"`
	Ahead  *int        `json:"ahead,omitempty"`
	Waited float64     `json:"waited_seconds,omitempty"`
	Pid    int         `json:"pid,omitempty"`
	How    keeper.Kind `json:"how,omitempty"`
	Signal int         `json:"signal,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Left   []int       `json:"left,omitempty"`
	Status *int        `json:"status,omitempty"`
}

func (s *screen) record(r record) {
	r.Key = s.key
	_ = json.NewEncoder(s.w).Encode(r) // nobody is left to be told
}
