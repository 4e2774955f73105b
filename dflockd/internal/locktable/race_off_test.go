//go:build !race

package locktable

// defaultSteps is how many steps each run compares with the model.
const defaultSteps = 2_000_000
