//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A terminal is the one that controls this process.
type terminal struct {
	file  *os.File
	state *term.State // as it was at the start; nil if that is not known
}

// openTerminal returns nil if no terminal controls this process.
func openTerminal() *terminal {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	t := &terminal{file: f}
	t.state, _ = term.GetState(int(f.Fd()))
	return t
}

func (t *terminal) close() { _ = t.file.Close() }

// foreground reports whether the terminal's keys signal the process group of this
// process.
func (t *terminal) foreground() bool { return t.holder() == syscall.Getpgrp() }

// holder returns the process group that has the terminal, or 0 if that is not known.
func (t *terminal) holder() int {
	group, err := unix.IoctlGetInt(int(t.file.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// restore undoes what a command has done to the terminal that was killed, unless
// somebody else has the terminal now.
func (t *terminal) restore() {
	group := t.holder()
	killed := group > 1 && syscall.Kill(-group, 0) == syscall.ESRCH // as a shell that was the command
	if t.state == nil || group != syscall.Getpgrp() && !killed {
		return
	}
	signal.Ignore(syscall.SIGTTOU) // the terminal may be in the hands of what was killed
	_ = term.Restore(int(t.file.Fd()), t.state)
}

// passedOn are the signals for the command that the front gets.
var passedOn = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGCONT,
}

// fromTerminal reports whether a signal usually comes from a terminal, which sends
// it to everybody in its foreground.
func fromTerminal(s syscall.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGTSTP || s == syscall.SIGHUP
}
