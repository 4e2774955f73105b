//go:build !linux

package main

// monotonicMicros returns false: the service managers of other systems do not
// ask.
func monotonicMicros() (int64, bool) { return 0, false }
