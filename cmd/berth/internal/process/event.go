package process

import "syscall"

// A Change is what a command did.
type Change uint8

const (
	// Exited says that the command has ended. It comes once, and last.
	Exited Change = iota + 1
	// Stopped says that a signal has stopped it, such as that of Ctrl-Z.
	Stopped
	// Continued says that it runs again.
	Continued
)

func (c Change) String() string {
	switch c {
	case Exited:
		return "exited"
	case Stopped:
		return "stopped"
	case Continued:
		return "continued"
	}
	return "unknown"
}

// An Event is a change of the command itself, not of what it has started.
type Event struct {
	Change Change
	Code   int            // of Exited, unless a signal ended it
	Signal syscall.Signal // that ended or stopped it; 0 if none did
}

// A Command is what [Start] starts. Its standard input, output and error are those
// of the caller, and so are other files that are open here without the mark to be
// closed by exec.
type Command struct {
	Path string   // of the program, not searched for
	Args []string // the first is the program's name
	Env  []string
	// Group is the process group to join; 0 gives the command one of its own. It
	// has no meaning on Windows.
	Group int
	// Bound has the system kill the command, but not what it has started, when the
	// thread that called Start ends. Only Linux can.
	Bound bool
}
