package dflockd

import (
	"errors"
	"fmt"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// checkLimits validates what can be known without a key.
func checkLimits(l slot.Limits) error {
	if name, ok := l.Name(); ok {
		if err := wire.CheckKey(name); err != nil {
			return badKey(fmt.Sprintf("the key %q", name), err)
		}
	}
	return l.Check()
}

// semaphore returns the name of the semaphore that key means, and its limit.
func semaphore(l slot.Limits, key string) (name string, n int, err error) {
	name, n, err = l.Of(key)
	if err != nil {
		return "", 0, &Error{Engine: engine, Op: "claim", Key: key, Err: err}
	}
	if err := wire.CheckKey(name); err != nil {
		return "", 0, &Error{Engine: engine, Op: "claim", Key: name, Err: badKey("the key", err)}
	}
	return name, n, nil
}

// badKey says of a key why it is none.
func badKey(key string, err error) error {
	var field *wire.FieldError
	if errors.As(err, &field) {
		key += " " + field.Reason
	}
	return errs.Permanently(errs.InWords(key, slot.ErrKey, err))
}
