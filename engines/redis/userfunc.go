package redis

import (
	"runtime/debug"
	"time"
)

// This file calls functions of the user's. None is trusted to return: one that
// panics, or calls runtime.Goexit, ends nothing but itself.

// call calls f on a goroutine of its own, and waits for it.
func (s *Source) call(name string, f func()) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.catch(name, f)
	}()
	<-finished
}

// catch calls f and reports its panic, unless that panics as well.
func (s *Source) catch(name string, f func()) {
	defer func() { _ = recover() }()
	defer func() {
		if value := recover(); value != nil {
			s.cfg.logger().Error("redis: "+name+" has panicked", "panic", value, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// tellGranted hands the slot to a claimant that joined. It goes back if the claimant
// panics, or ends the goroutine: nobody else would release it.
func (c *claim) tellGranted() {
	c.src.call("a slot.Claimant", func() {
		told := false
		defer func() {
			if !told {
				_ = (*grant)(c).Release()
			}
		}()
		c.to.Granted((*grant)(c))
		told = true
	})
}

func (c *claim) tellRefused() {
	c.src.call("a slot.Claimant", func() { c.to.Refused(c.err) })
}

// traceQueued, traceGranted and traceRenewed have the trace of a claim told. Caller
// holds Source.mu.
func (s *Source) traceQueued(c *claim, now time.Time) {
	if c.trace != nil {
		s.tell("slot.Trace.Queued", c.trace.Queued, now)
	}
}

func (s *Source) traceGranted(c *claim, now time.Time) {
	if c.trace != nil {
		s.tell("slot.Trace.Granted", c.trace.Granted, now)
		s.tell("slot.Trace.Confirmed", c.trace.Confirmed, now)
	}
}

// tell has a function of a trace called. Caller holds Source.mu.
func (s *Source) tell(name string, f func(time.Time), now time.Time) {
	if f != nil {
		s.later(func() { s.call(name, func() { f(now) }) })
	}
}

func (c *claim) traceRenewed(sent, now time.Time, err error) {
	if c.trace != nil && c.trace.Renewed != nil && c.state == held {
		c.src.later(func() { c.src.call("slot.Trace.Renewed", func() { c.trace.Renewed(now.Sub(sent), err) }) })
	}
}
