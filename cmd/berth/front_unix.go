//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/cmd/berth/internal/process"
)

// slack is how long after the guard the front takes the keeper for dead. It leaves
// most of the margin between the guard and the end of the lease for killing.
const slack = 100 * time.Millisecond

// A front starts the keeper, and stands between it and the shell.
type front struct {
	screen   *screen
	tty      *terminal // nil without one
	keeper   *process.Tree
	orders   *json.Encoder
	messages chan message // of the keeper; closed when it has gone
	signals  chan os.Signal

	command int       // the command's process, once it was started
	until   time.Time // the guard, as far as the keeper has told
	killing bool      // the keeper is dead or taken for dead
	outcome *keeper.Outcome
}

// runFront runs the job and returns how it ended.
func runFront(req *request, s *screen) keeper.Outcome {
	f := &front{screen: s, tty: openTerminal(), messages: make(chan message), signals: make(chan os.Signal, 16)}
	if f.tty != nil {
		defer f.tty.close()
		req.Job.Group = syscall.Getpgrp()
	}
	for _, sig := range passedOn {
		if !signal.Ignored(sig) { // as by nohup: then the command ignores it, too
			signal.Notify(f.signals, sig)
		}
	}
	defer signal.Stop(f.signals)
	// What is said may reach nobody. That ends no command, up to the last word.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if err := f.start(); err != nil {
		return keeper.Outcome{Kind: keeper.Misused, Reason: fmt.Sprintf("the process that is to hold the slot cannot be started: %v", err)}
	}
	defer f.keeper.Close()
	_ = f.orders.Encode(req) // a keeper that is dead is noticed by its silence
	return f.wait()
}

// start starts the keeper. The pipes have the numbers in the keeper that they have
// here: so files that berth was given stay where they are.
func (f *front) start() error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirOrders.Close()
	told, theirTold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirTold.Close()
	in, out := int(theirOrders.Fd()), int(theirTold.Fd())
	for _, fd := range []int{in, out} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	args := []string{os.Args[0], keeperName, strconv.Itoa(in), strconv.Itoa(out)}
	f.keeper, err = process.Start(process.Command{Path: program, Args: args, Env: os.Environ()})
	if err != nil {
		return err
	}
	letGo()
	f.orders = json.NewEncoder(orders)
	go f.listen(told)
	return nil
}

// listen reads what the keeper tells until it has gone. It owns messages.
func (f *front) listen(told io.ReadCloser) {
	defer close(f.messages)
	defer told.Close()
	for d := json.NewDecoder(told); ; {
		var m message
		if d.Decode(&m) != nil {
			return
		}
		f.messages <- m
	}
}

// wait returns when the keeper has gone, and everything with it.
func (f *front) wait() keeper.Outcome {
	watch := time.NewTimer(f.left())
	defer watch.Stop()
	for messages := f.messages; messages != nil || !f.keeper.Gone(); watch.Reset(f.left()) {
		select {
		case m, ok := <-messages:
			if !ok {
				messages = nil
				f.silent()
				continue
			}
			f.take(m)
		case sig := <-f.signals:
			f.signal(sig.(syscall.Signal))
		case <-f.keeper.Changed():
			f.keeper.Events() // how it ended says nothing: what it told does
		case <-watch.C:
			f.watched(messages)
		}
	}
	if f.outcome == nil {
		f.outcome = &keeper.Outcome{Kind: keeper.Lost, Reason: "the process that held the slot has gone or was stopped: everything was killed"}
	}
	if f.outcome.Kind == keeper.Lost && f.tty != nil {
		f.tty.restore()
	}
	return *f.outcome
}

// left returns how long there is nothing to be done.
func (f *front) left() time.Duration {
	switch {
	case f.killing:
		return 5 * time.Millisecond
	case f.until.IsZero() || f.outcome != nil:
		return time.Hour
	default:
		return time.Until(f.until.Add(slack))
	}
}

// take takes what the keeper has told.
func (f *front) take(m message) {
	if m.Outcome != nil {
		f.outcome = m.Outcome
		return
	}
	switch e := m.event(); e.Kind {
	case keeper.Held:
		f.until = e.Until
	case keeper.Started:
		f.command = e.Pid
		f.screen.show(e)
	case keeper.Stopped:
		f.screen.show(e)
		f.stop()
	default:
		f.screen.show(e)
	}
}

// silent takes the news that the keeper will tell no more. Unless it has told how
// the job ended, it was killed.
func (f *front) silent() {
	if f.outcome == nil {
		f.kill()
	}
}

// watched is called when the guard has passed as far as is known here, and again
// while everything is being killed. What the keeper has told meanwhile is read
// before it is taken for dead: this process may have been stopped itself.
func (f *front) watched(messages <-chan message) {
	for grace := time.After(slack / 2); !f.killing && messages != nil && f.left() <= 0; {
		select {
		case m, ok := <-messages:
			if !ok {
				f.kill()
				return
			}
			f.take(m)
		case <-grace:
			f.kill()
		}
	}
	if f.killing {
		f.kill()
	}
}

// kill kills the keeper, and what is left of the command.
func (f *front) kill() {
	f.killing = true
	if f.command != 0 {
		f.keeper.Adopt(f.command)
	}
	f.keeper.Kill()
}

// signal passes a signal on. What comes from the terminal has reached the command
// already, unless that has not started.
func (f *front) signal(sig syscall.Signal) {
	shared := f.tty != nil && fromTerminal(sig) && f.tty.foreground()
	_ = f.orders.Encode(keeper.Order{Signal: sig, Shared: shared}) // a keeper that is dead is noticed by its silence
	if sig == syscall.SIGTSTP && f.command == 0 {
		f.stop()
	}
}

// stop stops this process, as the shell expects of a job whose command has stopped.
// Without a terminal nobody would continue it.
func (f *front) stop() {
	if f.tty != nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}
