package dflockd

import (
	"errors"
	"fmt"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// Limits says which semaphore a key means and how many may hold it at once:
// [Fixed] or [Keyed]. Every client of a semaphore must give it the same limit.
type Limits struct {
	name  string
	keyed bool
	limit int
}

// Fixed returns limits with one semaphore, whatever the key: at most n hold a
// slot of it anywhere.
func Fixed(name string, n int) Limits { return Limits{name: name, limit: n} }

// Keyed returns limits with a semaphore for each key, called prefix + key: at
// most n hold a slot of the same key. The empty key is refused.
func Keyed(prefix string, n int) Limits { return Limits{name: prefix, limit: n, keyed: true} }

// check validates what can be known without a key.
func (l Limits) check() error {
	if l.limit < 1 {
		return permanently(fmt.Errorf("the limit is %d: it must be 1 or more", l.limit))
	}
	if l.keyed && l.name == "" {
		return nil
	}
	if err := wire.CheckKey(l.name); err != nil {
		return badKey(fmt.Sprintf("the key %q", l.name), err)
	}
	return nil
}

// semaphore returns the name of the semaphore that key means.
func (l Limits) semaphore(key string) (string, error) {
	if !l.keyed {
		return l.name, nil
	}
	if key == "" {
		return "", &Error{Op: "claim", Err: permanently(inWords("the key is empty: give the job a key, or use Fixed", slot.ErrKey))}
	}
	name := l.name + key
	if err := wire.CheckKey(name); err != nil {
		return "", &Error{Op: "claim", Key: name, Err: badKey("the key", err)}
	}
	return name, nil
}

// badKey says of a key why it is none.
func badKey(key string, err error) error {
	var field *wire.FieldError
	if errors.As(err, &field) {
		key += " " + field.Reason
	}
	return permanently(inWords(key, slot.ErrKey, err))
}
