// Package model has a model of the protocol between clients and lock server, in
// Promela and in Go, and the tests that have the model checker Spin explore all that
// it can do. docs/evidence.md says what is asked of it, what is modelled, what is
// assumed and what was last measured.
//
// # The same model in Go
//
// [Config.Next] is lease.pml once more: from a state, all that can happen. It takes
// part in two things, so that what is explored is what the code is compared with.
//
//   - [Config.Explore] reaches every state, and finds as many as Spin does: in three
//     configurations with every run of the tests, in all of them with make model.
//   - Package replay takes runs of the real stack, which clients and servers have
//     noted (package trace), and asks of each event whether it is a step of Next.
//
// The model knows no unit of time. The explorer lets ticks pass, and takes what is due
// at a tick with it, as lease.pml does: one step has the server end a lease and grant
// the slot to the next in line. In a replay ([Config.Fine]) each of these is an event,
// so it is a step of its own there; nanoseconds pass, by [Config.Pass], and never
// beyond what [Config.Due] says is due. The guards of the steps, and what a step
// changes, are the same functions.
//
// A replay has a little more than what is explored: a request for a slot without a
// place, a place and the wait for it in one write, a grant that is kept for a while
// before it is used, drains, and requests that arrive although their client has closed
// the connection.
//
// # In Promela
//
// lease.pml is about safety: who holds a slot, and whose context says so. Time
// passes in ticks. line.pml is about liveness: whoever claims is granted or
// told. Each is explored in several small configurations, of two features at
// most besides the mode of the server; configs_test.go lists them.
//
// A rule of the code that the model covers can be broken in the model by a
// definition that begins with MUTANT_. mutants_test.go pairs each with the rule
// of internal/stacktest/mutation that breaks the same in the code: the checker
// must find a run in which the first breaks a promise, and the gate's test must
// notice the second.
//
// make model explores everything and breaks every rule. With BERTH_MODEL=short
// the tests take the small configurations only, and without it none: Spin is not
// everywhere. One configuration:
//
//	BERTH_MODEL=1 go test -v -run '/configurations/strict-pause' ./internal/model
//
// A configuration for another feature of the protocol is a definition in
// lease.pml, a line in configs_test.go, and a mutant for each rule that it adds.
package model
