// Package pipe is what a crawl's parent and its worker processes say to each
// other: one JSON object per line, over the worker's standard input and output.
//
//	parent → worker   {"setup":{…}}                     once, first
//	parent → worker   {"url":"http://…","host":"src/net"}
//	parent → worker   {"drain":true}                    finish what you have, and end
//	worker → parent   {"url":"http://…","status":200,"bytes":812,"links":[…]}
//
// The end of the parent's side, however it comes about, tells the worker to
// stop at once: a parent that was killed leaves no workers behind.
package pipe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Command is a line from the parent. Exactly one of Setup, URL and Drain is
// set.
type Command struct {
	Setup *Setup `json:"setup,omitempty"`
	URL   string `json:"url,omitempty"`
	Host  string `json:"host,omitempty"` // that URL belongs to: the slot key
	Drain bool   `json:"drain,omitempty"`
}

// Setup tells a worker what it is.
type Setup struct {
	Worker  int           `json:"worker"`   // its number, from 1
	Workers int           `json:"workers"`  // goroutines of its pool
	Window  int           `json:"window"`   // URLs that it has at a time, at most
	Server  string        `json:"server"`   // address of the dflockd server; none: no slots
	Lease   time.Duration `json:"lease"`    // of each slot
	Slots   int           `json:"slots"`    // in all
	PerHost int           `json:"per_host"` // on a host
	// Pace and HostPace are the times between the starts of two requests, in
	// all and on a host; 0: no limit.
	Pace      time.Duration `json:"pace,omitempty"`
	HostPace  time.Duration `json:"host_pace,omitempty"`
	UserAgent string        `json:"user_agent"`
}

// A Result is a line from a worker: what became of one URL.
type Result struct {
	URL    string   `json:"url"`
	Status int      `json:"status,omitempty"` // of the answer; 0: there was none
	Bytes  int64    `json:"bytes,omitempty"`  // of the answer's body
	Links  []string `json:"links,omitempty"`  // absolute URLs that the page links to, each once
	// Err says why there was no answer. With Again set the URL is not at
	// fault (the slot was lost, say) and should be fetched again.
	Err   string `json:"err,omitempty"`
	Again bool   `json:"again,omitempty"`
}

// A Writer writes lines. It is safe for concurrent use.
type Writer[T any] struct {
	mu  sync.Mutex // guards enc, and so keeps lines whole; held while a line is written, nothing else needs it
	enc *json.Encoder
}

// NewWriter returns a Writer of lines to w.
func NewWriter[T any](w io.Writer) *Writer[T] {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // URLs are full of ampersands
	return &Writer[T]{enc: enc}
}

// Write writes one line.
func (w *Writer[T]) Write(line T) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.enc.Encode(line)
}

// A Reader reads lines.
type Reader[T any] struct{ dec *json.Decoder }

// NewReader returns a Reader of lines from r.
func NewReader[T any](r io.Reader) *Reader[T] { return &Reader[T]{json.NewDecoder(r)} }

// Read returns the next line, or io.EOF when there is none. What a process had
// begun to write when it died is no line: it counts as the end too.
func (r *Reader[T]) Read() (line T, err error) {
	switch err := r.dec.Decode(&line); {
	case err == nil:
		return line, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return *new(T), io.EOF
	default:
		return *new(T), fmt.Errorf("a line that is no %T: %w", line, err)
	}
}
