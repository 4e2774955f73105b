package faultnet

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Seed returns the number that a test draws from: BERTH_SEED if it is set, or
// a new one. If the test fails it says how to have the same again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(rand.Uint32())
	if text := os.Getenv("BERTH_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("BERTH_SEED must be a number: %v", err)
		}
		seed = given
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: BERTH_SEED=%d go test -run '^%s$'", seed, t.Name())
		}
	})
	return seed
}

// Count returns the number in an environment variable that makes a test long,
// or the usual one.
func Count(t testing.TB, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s must be a number and not negative, not %q", variable, text)
	}
	return n
}
