// Package model has a model of the protocol between clients and lock server, in
// Promela, and the tests that have the model checker Spin explore all that it
// can do.
//
// lease.pml is about safety: who holds a slot, and whose context says so. Time
// passes in ticks. line.pml is about liveness: whoever claims is granted or
// told. Each is explored in several small configurations, of two features at
// most besides what all have; configs_test.go lists them with what each is for.
//
// # What is modelled
//
// Two or three clients with a claim each, for one key of limit one or two. The
// server's line, leases, the close of a connection and its clearing as two steps, strict and
// immediate release, the grace after a restart. The client's confirmation of an
// old grant, heartbeat, deadline of a renewal, guard and its margin, renewal over a new
// connection, releases that are owed, cancelled waits. Messages are delayed for any time and lost with
// their connection; either side learns late, or not at all, that one broke; either side's process is
// stopped; a client's process dies; the server restarts; a client's clock runs slow.
//
// # What is assumed
//
// A running client does what is due at the tick at which it is due, and one that
// resumes after a pause before its job goes on. Messages of one connection that
// matter to each other are not reordered. A message of a connection that the
// client has closed is lost. A client's next claim begins once nothing of its last is under way:
// a token names one grant. The longest lease that the grace covers is the lease. The clock of a client loses one tick at
// most between the sending of a request and the end of the lease that it set. For liveness: each process that can always go on
// goes on some time (weak fairness), and whoever holds a slot gives it back or
// goes.
//
// # What is not modelled
//
// Clusters, several servers, several keys on one connection, single claims that
// several callers share, drains, bounds, and what a line on the wire may look like.
//
// # The mutants
//
// A rule of the code that the model covers can be broken in the model by a
// definition that begins with MUTANT_. mutants_test.go pairs each with the rule
// of internal/stacktest/mutation that breaks the same in the code: the checker
// must find a run in which the first breaks a promise, and the gate's test
// must notice the second.
package model
