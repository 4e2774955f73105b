package slottest

import (
	"runtime"
	"strings"
	"time"
)

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := make(map[string]string)
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		// The first line is "goroutine 7 [running]:".
		if name, _, ok := strings.Cut(stack, " ["); ok {
			stacks[name] = stack
		}
	}
	return stacks
}

// leftOver returns the stacks of goroutines that were not there before, are not
// to be ignored and do not end in time. A goroutine that has nothing left to do needs a moment to be
// gone, hence the wait.
func leftOver(before map[string]string, ignore func(stack string) bool, within time.Duration) string {
	for deadline := time.Now().Add(within); ; time.Sleep(within / 100) {
		var left []string
		for name, stack := range goroutines() {
			if _, ok := before[name]; !ok && !ofTesting(stack) && !ignore(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || !time.Now().Before(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

// ofTesting reports whether the goroutine belongs to package testing, which
// starts some for time limits.
func ofTesting(stack string) bool { return strings.Contains(stack, "created by testing.") }
