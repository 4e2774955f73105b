package dflockd

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// This file calls functions of the user's. None is trusted to return: one that
// panics, or calls runtime.Goexit, ends nothing but itself.

// callLater has a function of the user's called once mu is free. Caller holds mu.
func (e *endpoint) callLater(name string, f func()) { e.later(func() { e.cfg.call(name, f) }) }

// call calls f on a goroutine of its own, and waits for it.
func (c *config) call(name string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.catch(name, f)
	}()
	<-done
}

// try is call for a function that can fail.
func (c *config) try(name string, f func() error) error {
	err := fmt.Errorf("%s has panicked, or ended its goroutine", name)
	c.call(name, func() { err = f() })
	return err
}

// catch calls f and reports its panic, unless that panics as well.
func (c *config) catch(name string, f func()) {
	defer func() { _ = recover() }()
	defer func() {
		if value := recover(); value != nil {
			c.alarm().Error("dflockd: "+name+" has panicked", "panic", value, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// alarm returns where panics are reported: to go on without a word would hide a
// bug.
func (c *config) alarm() *slog.Logger {
	if c.quiet {
		return slog.Default()
	}
	return c.log
}
