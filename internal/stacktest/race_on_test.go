//go:build race

package stacktest_test

// raceEnabled makes simulations shorter: the detector makes them ten times
// slower, and races show early.
const raceEnabled = true
