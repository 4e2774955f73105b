// Package faultnet is a network whose faults a test decides.
//
// A [Net] lies between clients, each on a named machine, and one server. Bytes
// that a client writes go through a relay, which can delay, hold or split
// them, in both directions or in one; connections can be reset or half closed,
// a machine or the server can freeze, and the server can be replaced. Held
// bytes arrive when the fault ends, as TCP's retransmissions would: that is
// the dangerous kind of late.
//
// [Net.Dial] gives connections in memory that may be used in a synctest
// bubble; [Proxy] puts the same relay between real sockets. A [Plan] draws
// faults from a number and can be played again.
//
// A frozen machine does no I/O, but its timers run on: all machines of a bubble
// share one clock. What a stopped process does is tested with real ones.
package faultnet
