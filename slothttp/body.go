package slothttp

import (
	"io"
	"net/http"
	"runtime"
)

// A body is the caller's handle of a stream. Nothing that lives as long as the
// slot has a pointer to it, so that the garbage collector can tell that nobody will
// close it.
type body struct {
	stream *stream
	got    *http.Response // of the base, which puts trailers there
	resp   *http.Response // of the caller
}

func newBody(h *holding, got, resp *http.Response) *body {
	s := &stream{holding: h, base: got.Body}
	b := &body{stream: s, got: got, resp: resp}
	s.watch()
	runtime.AddCleanup(b, (*holding).forget, h)
	return b
}

// Read reads from the response. At its end, and after any error, the slot has gone
// back.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.stream.read(p)
	if err == io.EOF {
		b.resp.Trailer = b.got.Trailer
	}
	runtime.KeepAlive(b) // it is in use until here
	return n, err
}

// Close closes the response and gives the slot back.
func (b *body) Close() error {
	b.stream.stop(http.ErrBodyReadAfterClose)
	err := b.stream.end()
	runtime.KeepAlive(b)
	return err
}
