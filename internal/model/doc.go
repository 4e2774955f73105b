// Package model has a model of the protocol between clients and lock server, in
// Promela, and the tests that have the model checker Spin explore all that it
// can do. docs/evidence.md says what is asked of it, what is modelled, what is
// assumed and what was last measured.
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
