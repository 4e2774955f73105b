//go:build !race

package mutation_test

const raceEnabled = false
