//go:build !linux

package limits

import "errors"

// Read says that there is nothing to measure with: what a server uses of
// processors and memory is read from /proc.
func Read() (Limits, error) {
	return Limits{}, errors.New("the benchmarks need Linux: they read /proc")
}
