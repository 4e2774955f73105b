// Package pipe is what a crawl's parent and its worker processes say to each
// other: one JSON object per line, over the worker's standard input and output.
//
//	parent → worker   {"setup":{…}}                     once, first
//	parent → worker   {"url":"http://…","host":"src/net"}
//	parent → worker   {"pause":{"host":"…","for":2000000000}}
//	parent → worker   {"drain":true}                    finish what you have, and end
//	worker → parent   {"url":"http://…","status":200,"bytes":812,"links":[…]}
//	worker → parent   {"pause":{"host":"…","for":2000000000}}
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

// A Command is a line from the parent. Exactly one of Setup, URL, Pause and
// Drain is set.
type Command struct {
	Setup *Setup `json:"setup,omitempty"`

	URL    string `json:"url,omitempty"`
	Host   string `json:"host,omitempty"`   // that URL belongs to: the slot key
	Robots bool   `json:"robots,omitempty"` // URL is a robots.txt, whose text is wanted
	// Pace is the time between the starts of two requests on Host, over all
	// crawlers with the same server; 0: no limit. Wait is the time that must
	// have passed before this one starts.
	Pace time.Duration `json:"pace,omitempty"`
	Wait time.Duration `json:"wait,omitempty"`

	Pause *Pause `json:"pause,omitempty"`

	Drain bool `json:"drain,omitempty"`
	// Within is how long the worker may take to finish. What it has not fetched
	// by then it gives back.
	Within time.Duration `json:"within,omitempty"`
}

// A Pause says that a host asked to come back later. A worker that was told so
// says it to the parent, and the parent to the others.
type Pause struct {
	Host string        `json:"host"`
	For  time.Duration `json:"for,omitempty"`
	// Why is what the host answered, or that it did not.
	Why string `json:"why,omitempty"`
	// Over says why nothing more is to be asked of the host at all.
	Over string `json:"over,omitempty"`
}

// Setup tells a worker what it is.
type Setup struct {
	Worker  int           `json:"worker"`   // its number, from 1
	Workers int           `json:"workers"`  // goroutines of its pool
	Window  int           `json:"window"`   // URLs that it has at a time, at most
	Server  string        `json:"server"`   // URL of the engine of the slots; none: no slots
	Lease   time.Duration `json:"lease"`    // of each slot
	Slots   int           `json:"slots"`    // in all
	PerHost int           `json:"per_host"` // on a host
	// Pace is the time between the starts of two requests in all; 0: no limit.
	Pace time.Duration `json:"pace,omitempty"`
	// HostPaces says that hosts may have a pace of their own, see Command.
	HostPaces bool `json:"host_paces,omitempty"`
	// Linger is how long the worker waits at its end for starts to be as far
	// apart as they should, for the sake of others with the same server.
	Linger    time.Duration `json:"linger,omitempty"`
	MaxWait   time.Duration `json:"max_wait"` // how long a host may put the crawl off
	UserAgent string        `json:"user_agent"`
	// Local says that the site is the one that the parent serves: pages that are no
	// HTML are read, too, and no host will ask for patience.
	Local bool   `json:"local,omitempty"`
	HTTP  string `json:"http,omitempty"` // where the dashboard of its pool is to be; none: nowhere
}

// A Result is a line from a worker: what became of one URL, or a Pause.
type Result struct {
	URL     string   `json:"url,omitempty"`
	Status  int      `json:"status,omitempty"`   // of the answer; 0: there was none, or it is a robots.txt
	Bytes   int64    `json:"bytes,omitempty"`    // of the answer's body
	HTML    bool     `json:"html,omitempty"`     // it is a page whose links were looked for
	Links   []string `json:"links,omitempty"`    // absolute URLs that the page links to, each once
	Target  string   `json:"target,omitempty"`   // where a redirect leads
	NoIndex bool     `json:"no_index,omitempty"` // the site does not want the page to be kept
	Text    []byte   `json:"text,omitempty"`     // of a robots.txt
	// Err says why there was no answer. With Again set the URL is not at
	// fault (the slot was lost, say) and should be fetched again.
	Err   string `json:"err,omitempty"`
	Again bool   `json:"again,omitempty"`
	Asked bool   `json:"asked,omitempty"` // with Again: the site has had a request for it

	Pause *Pause `json:"pause,omitempty"`
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
