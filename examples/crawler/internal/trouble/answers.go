package trouble

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Page answers with a document that links to targets.
func Page(targets ...string) http.HandlerFunc {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "<a href=\"%s\">x</a>\n", t)
	}
	return HTML(b.String())
}

// HTML answers with a document.
func HTML(text string) http.HandlerFunc { return File("text/html; charset=utf-8", text) }

// Text answers with plain text, as for a robots.txt.
func Text(text string) http.HandlerFunc { return File("text/plain", text) }

// File answers with a body of a content type.
func File(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body)) // a client that is gone does not mind
	}
}

// Header adds a header to an answer.
func Header(key, value string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add(key, value)
		answer(w, r)
	}
}

// Status answers with nothing but a status.
func Status(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// Redirect answers that the page is at target.
func Redirect(status int, target string) http.HandlerFunc {
	return Header("Location", target, Status(status))
}

// Busy asks with a status to come back later, in a value of Retry-After; none:
// without saying when.
func Busy(status int, retryAfter string) http.HandlerFunc {
	if retryAfter == "" {
		return Status(status)
	}
	return Header("Retry-After", retryAfter, Status(status))
}

// First answers the first n requests in one way, and the others in another.
func First(n int, first, then http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex // guards n
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n--
		answer := then
		if n >= 0 {
			answer = first
		}
		mu.Unlock()
		answer(w, r)
	}
}

// Slow answers after a time, unless the client has gone by then.
func Slow(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// Silent takes the request and says nothing.
func Silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Broken closes the connection without an answer.
func Broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Short promises more than it sends.
func Short(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte("<a href=/short>"))
}

// Endless sends a link every interval, and as fast as it can if that is 0, until
// the client has gone.
func Endless(interval time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		chunk := []byte(strings.Repeat("<a href=/endless>x</a>\n", 1000))
		for r.Context().Err() == nil {
			if interval > 0 {
				select {
				case <-time.After(interval):
				case <-r.Context().Done():
				}
			}
			if _, err := w.Write(chunk); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // the next Write has the error
		}
	}
}

// Bomb answers with a document of size bytes that is small on its way.
func Bomb(size int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for sent := 0; sent < size; sent += len(zeros) {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		_ = z.Close()
	}
}

// An Outage begins with the first request for one of its pages and goes on for a
// time.
type Outage struct {
	For time.Duration

	mu    sync.Mutex // guards began
	began time.Time
}

// Answer answers in one way while the outage goes on, and then in another.
func (o *Outage) Answer(during, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if o.goesOn() {
			during(w, r)
			return
		}
		then(w, r)
	}
}

func (o *Outage) goesOn() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.began.IsZero() {
		o.began = time.Now()
	}
	return time.Since(o.began) < o.For
}
