package slot

import (
	"strconv"
	"strings"
)

// An Error says what was asked of an engine, for which semaphore and of which server,
// when that failed. The engines of this module return it, each by its own name:
// dflockd.Error, etcd.Error and redis.Error are this type. It never holds a secret or
// the token of a slot.
type Error struct {
	Engine string // "dflockd", "etcd" or "redis"
	Op     string // what failed: "claim", "wait", "hold", "close", …
	Key    string // the name of the semaphore; "" if none was involved
	Server string // the server's address, or several with commas between; "" if none was involved
	Err    error  // what happened
}

// Error returns the message.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Engine + ": " + e.Op)
	if e.Key != "" {
		b.WriteString(" " + strconv.Quote(e.Key))
	}
	if e.Server != "" {
		b.WriteString(" at " + e.Server)
	}
	b.WriteString(": " + e.Err.Error())
	return b.String()
}

// Unwrap returns what happened, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }
