package slot

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// checker is a source of this package, made by a function that returns no
// error so that sources can be put together in one expression.
type checker interface{ check() error }

// within says of a source what is wrong with one inside it.
func within(what string, err error) error {
	return &flaw{"slot: " + what + ": " + strings.TrimPrefix(err.Error(), "slot: "), err}
}

// A flaw is what is wrong, in words that name this package once.
type flaw struct {
	text  string
	cause error
}

func (f *flaw) Error() string { return f.text }
func (f *flaw) Unwrap() error { return f.cause }

// Check returns what is wrong with the way src was put together: a count below
// 1, a missing source, a nil pointer for one, the same source twice in All, a negative duration. Such a
// source refuses every claim with the same error; Check tells before the first
// claim. It asks a source of another package that has a method Check() error,
// looks through one with a method Unwrap() Source, does not block, and says
// nothing about an engine.
func Check(src Source) error {
	if src == nil {
		return errors.New("slot: the source is nil")
	}
	if v := reflect.ValueOf(src); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("slot: the source is a nil %T: was the error of its constructor looked at?", src)
	}
	if c, ok := src.(checker); ok {
		return c.check()
	}
	if c, ok := src.(interface{ Check() error }); ok {
		return c.Check()
	}
	if w, ok := src.(wrapper); ok {
		return Check(w.Unwrap())
	}
	return nil
}
