package dflockd

import (
	"errors"
	"fmt"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

var (
	// ErrTimeout is returned by WithLock when the slot was not granted within
	// the acquire timeout.
	ErrTimeout = errors.New("not granted in time")

	// ErrAuth is returned when the server refused the secret, asks for one, or
	// has none. Until the server has accepted this client once it is permanent:
	// somebody has to put the secret right, here or there. After that it is an
	// outage, and matches slot.ErrUnavailable too: secrets are changed, and other
	// servers come up in the place of this one. In both cases the server is asked
	// again, after a pause of at most 5 s, when there is a claim; so work goes on
	// when the secret is right, without a restart.
	ErrAuth = errors.New("the server refused the secret (see WithAuth)")

	// ErrLimitMismatch is returned by an original server when the key is in use
	// with another limit: there every client of a key must give it the same one. On
	// a server of this module each claim keeps its own, see package slot.
	ErrLimitMismatch = errors.New("the key is in use with another limit")

	// ErrServerLists is returned while clients that were given another list of
	// servers hold or wait for slots. The text says where each has the server: see
	// WithServers.
	ErrServerLists = errors.New("other clients have another list of servers")

	// ErrMaxLocks is returned when the server has as many keys as it may.
	ErrMaxLocks = errors.New("the server holds its maximum of keys (--max-locks)")

	// ErrMaxWaiters is returned when the line of the key is as long as it may be.
	ErrMaxWaiters = errors.New("the line of the key is full (--max-waiters)")

	// ErrDraining is returned when the server is shutting down. It matches
	// slot.ErrUnavailable too.
	ErrDraining = errs.InWords("the server is shutting down", slot.ErrUnavailable)

	// ErrRefused is returned when the server answers with an error that this
	// client has no other name for. The text says which.
	ErrRefused = errors.New("the server refused the request")

	// ErrClosed is returned by what was closed, or never opened, and is the cause of
	// the context of a Semaphore's or Lock's slot after Close or Force. It matches
	// slot.ErrClosed too, and is permanent.
	ErrClosed = errs.Permanently(errs.InWords("closed", slot.ErrClosed))

	// ErrNotHeld is the cause of Context when a Semaphore or Lock has had no slot
	// since it was last opened.
	ErrNotHeld = errors.New("no slot is held")

	// ErrAlreadyConnected is returned by Acquire and Enqueue when the Semaphore
	// or Lock holds a slot or a place in line already, and Force was not given.
	ErrAlreadyConnected = errors.New("already connected: release or close it first, or use Force")

	// ErrProtocol is returned when the server sent what does not fit the
	// protocol. The connection was dropped. It often means that the address
	// is not that of a dflockd.
	ErrProtocol = errors.New("the server's answer does not fit the protocol")
)

// Error says what was asked for, with which key and of which server, when
// something failed. It never holds a secret or a token.
type Error = slot.Error

// engine is what errors call this package.
const engine = "dflockd"

// violation is an answer that does not fit the protocol. What the server sent
// may hold a token and stays out of it.
func violation(what string) error { return fmt.Errorf("%w: %s", ErrProtocol, what) }

// refusal turns a reply that refuses a request into an error.
func refusal(r wire.Reply) error {
	switch r.Status {
	case wire.ErrorAuth:
		return ErrAuth
	case wire.ErrorLimitMismatch:
		return ErrLimitMismatch
	case wire.ErrorMaxLocks:
		return ErrMaxLocks
	case wire.ErrorMaxWaiters:
		return ErrMaxWaiters
	case wire.ErrorDraining:
		return ErrDraining
	case wire.ErrorServerList:
		return fmt.Errorf("%w: %s", ErrServerLists, r.Text)
	case wire.ErrorNotAllowed:
		return errs.InWords("it takes a slot of the key or a place in line, and for more than a minute, to end a pause, or to take a slot back, "+
			"the secret of an administrator (--admin-token-file of the server, WithAuth here)", slot.ErrNotAllowed)
	case wire.ErrorNoHolder:
		return errs.InWords("nobody holds a slot with this ID", slot.ErrNoHolder)
	case wire.ErrorNotLeader:
		return errs.Unavailable(errors.New("this member of the cluster does not lead it (see WithCluster)"))
	case wire.ErrorOther:
		return fmt.Errorf("%w: it answered %q", ErrRefused, r.Text)
	default:
		return fmt.Errorf("%w: it answered %q", ErrRefused, r.Status)
	}
}

// lostError reports whether err says that a slot is lost.
func lostError(err error) bool { return errors.Is(err, slot.ErrLost) }
