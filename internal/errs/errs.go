// Package errs puts what engines have to say into errors: in words for people, and
// with what programs ask for inside.
package errs

import (
	"errors"

	"github.com/berth-go/berth/slot"
)

// A worded error says what happened in words of its own. What caused it is found by
// errors.Is and errors.As, and not repeated.
type worded struct {
	text   string
	causes []error
}

func (w *worded) Error() string   { return w.text }
func (w *worded) Unwrap() []error { return w.causes }

// InWords returns an error that says text and matches its causes.
func InWords(text string, causes ...error) error { return &worded{text, causes} }

// Unavailable returns cause as an error that matches slot.ErrUnavailable too.
func Unavailable(cause error) error {
	if errors.Is(cause, slot.ErrUnavailable) {
		return cause
	}
	return InWords(cause.Error(), slot.ErrUnavailable, cause)
}

// Lost returns cause as an error that matches slot.ErrLost too.
func Lost(cause error) error {
	if errors.Is(cause, slot.ErrLost) {
		return cause
	}
	return InWords("slot lost: "+cause.Error(), slot.ErrLost, cause)
}

// A permanent error is one that waiting cannot cure: what was asked for fails again
// until somebody changes the program, its settings or the server's.
type permanent struct{ error }

// Permanent returns true. slot.IsPermanent asks for it.
func (p *permanent) Permanent() bool { return true }
func (p *permanent) Unwrap() error   { return p.error }

// Permanently returns err as one that waiting cannot cure.
func Permanently(err error) error { return &permanent{err} }
