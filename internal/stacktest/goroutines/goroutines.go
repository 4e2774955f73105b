// Package goroutines counts those of a test.
package goroutines

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// bubble finds in the first line of a stack which bubble of testing/synctest the
// goroutine is in: "goroutine 7 [select (durable), synctest bubble 4]:".
var bubble = regexp.MustCompile(`\Agoroutine \d+ \[[^\]\n]*(synctest bubble \d+)`)

// InBubble returns how many goroutines there are in the bubble that the caller is
// in. After synctest.Wait it is exact. runtime.NumGoroutine is not: it counts those
// of other tests that are about to end, and now and then one that has ended.
func InBubble(t testing.TB) int {
	t.Helper()
	all := strings.Split(stacks(), "\n\n")
	own := bubble.FindStringSubmatch(all[0]) // the caller's stack is the first
	if own == nil {
		t.Fatal("goroutines: the caller is in no bubble of testing/synctest")
	}
	n := 0
	for _, stack := range all {
		if in := bubble.FindStringSubmatch(stack); in != nil && in[1] == own[1] {
			n++
		}
	}
	return n
}

func stacks() string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}
