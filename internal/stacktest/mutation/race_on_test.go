//go:build race

package mutation_test

// raceEnabled: with -race each broken build would compile the standard library
// anew under the detector, and what is asked here is not whether there are races.
const raceEnabled = true
