package slot

import "errors"

// IsPermanent reports whether err is a refusal that waiting cannot cure: it
// matches ErrKey or ErrClosed, or an error in it has a method Permanent() bool
// that says so. An engine gives its own final refusals such a method. The
// package's documentation has the rule, and what follows from it.
func IsPermanent(err error) bool {
	return errors.Is(err, ErrKey) || errors.Is(err, ErrClosed) || saysPermanent(err)
}

// saysPermanent looks at each error of the tree, since one that is joined with
// others decides as much as one alone.
func saysPermanent(err error) bool {
	if p, ok := err.(interface{ Permanent() bool }); ok && p.Permanent() {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return saysPermanent(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if saysPermanent(part) {
				return true
			}
		}
	}
	return false
}

// A refusal is what cannot be done for good, in words of its own.
type refusal struct{ flaw }

func refuse(text string, cause error) error { return &refusal{flaw{text, cause}} }

// Permanent reports whether waiting cannot cure it: it can where an engine, or
// whatever a limit is read from, is away.
func (r *refusal) Permanent() bool { return !errors.Is(r.cause, ErrUnavailable) }
