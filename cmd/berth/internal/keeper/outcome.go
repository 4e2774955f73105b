package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"time"

	"github.com/berth-go/berth/slot"

	"github.com/berth-go/berth/cmd/berth/internal/process"
)

// A Kind is how a job ended.
type Kind string

const (
	Exited     Kind = "exited"      // the command did, with Code
	Signaled   Kind = "signaled"    // Signal ended the command, or the wait for the slot
	NotFound   Kind = "not-found"   // there is no such command
	NotRun     Kind = "not-run"     // the command cannot be run
	NotGranted Kind = "not-granted" // no slot came in time, or the engine refused
	NoEngine   Kind = "no-engine"   // the engine cannot be reached
	Lost       Kind = "lost"        // the slot was lost and the command ended
	Misused    Kind = "misused"     // what was asked for makes no sense
)

// An Outcome is how a job ended, and why.
type Outcome struct {
	Kind   Kind
	Code   int            `json:",omitempty"`
	Signal syscall.Signal `json:",omitempty"`
	Reason string         `json:",omitempty"` // for people; "" after Exited and Signaled
}

// An EventKind says what an Event tells.
type EventKind string

const (
	Queued    EventKind = "queued"    // a place in line, with Ahead if that is known
	Away      EventKind = "away"      // the engine cannot be reached, see Reason; it is tried again
	Granted   EventKind = "granted"   // the slot, after Waited
	Held      EventKind = "held"      // the slot is safe until Until
	Started   EventKind = "started"   // the command, with Pid
	Stopped   EventKind = "stopped"   // the command was stopped by Signal
	Continued EventKind = "continued" // the command
	Ending    EventKind = "ending"    // everything was asked to end, see Reason
	Stubborn  EventKind = "stubborn"  // Left do not end
)

// An Event tells whoever started the job how it goes.
type Event struct {
	Kind   EventKind
	Ahead  *int           `json:",omitempty"`
	Until  time.Time      `json:"-"` // of the monotonic clock: not for other processes
	Waited time.Duration  `json:",omitempty"`
	Pid    int            `json:",omitempty"`
	Signal syscall.Signal `json:",omitempty"`
	Reason string         `json:",omitempty"`
	Left   []int          `json:",omitempty"`
}

// ended is the outcome of a command that ended by itself.
func ended(e process.Event) Outcome {
	if e.Signal != 0 {
		return Outcome{Kind: Signaled, Signal: e.Signal}
	}
	return Outcome{Kind: Exited, Code: e.Code}
}

// cannotRun says why a command does not run.
func cannotRun(name string, err error) *Outcome {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return &Outcome{Kind: NotFound, Reason: fmt.Sprintf("there is no command %q", name)}
	}
	if wrapped, ok := errors.AsType[*exec.Error](err); ok {
		err = wrapped.Err
	}
	return &Outcome{Kind: NotRun, Reason: fmt.Sprintf("cannot run %q: %v", name, err)}
}

// refused is the outcome of a claim that failed.
func refused(err error) *Outcome {
	if stop, ok := errors.AsType[interrupted](err); ok {
		return &Outcome{Kind: Signaled, Signal: stop.signal}
	}
	switch {
	case errors.Is(err, errGone):
		return &Outcome{Kind: Signaled, Signal: syscall.SIGKILL} // nobody will read it
	case errors.Is(err, slot.ErrLost):
		return &Outcome{Kind: Lost, Reason: err.Error()}
	case errors.Is(err, slot.ErrKey):
		return &Outcome{Kind: Misused, Reason: err.Error()}
	case errors.Is(err, slot.ErrUnavailable), slot.IsPermanent(err):
		return &Outcome{Kind: NoEngine, Reason: err.Error()}
	default:
		return &Outcome{Kind: NotGranted, Reason: err.Error()}
	}
}
