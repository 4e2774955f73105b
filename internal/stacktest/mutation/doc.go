// Package mutation asks whether the tests would notice.
//
// The gate, which make gate and make ci run, breaks one rule of the shipped code
// at a time, each in a copy that only that build sees (go test -overlay), and
// asks that the test which is named for the rule fails, by itself. The rules are
// in rules_test.go, those of the pool in rules_pool_test.go: whoever changes code
// that is quoted there changes the quotation with it, which the usual run of the
// tests checks.
package mutation
