//go:build !unix

package proc

import "time"

// OwnCPU panics: the benchmarks need Linux, see package limits.
func OwnCPU() time.Duration { panic("bug: there is no processor time to be had here") }
