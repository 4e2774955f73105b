//go:build race

package locktable

// defaultSteps is less under the race detector: a table has one goroutine, so
// there it is the time that counts.
const defaultSteps = 200_000
