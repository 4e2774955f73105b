package cases

import (
	"runtime"
	"sync"
	"time"
)

// spin keeps a processor busy for about d. It counts turns of a loop, since
// asking for the time costs as much as a short job.
func spin(d time.Duration) {
	if d > 0 {
		turn(int(float64(d) * turnsPerNano()))
	}
}

// turn does n steps that depend on each other. Its end looks as if it used
// the outcome, so that the compiler keeps the loop.
func turn(n int) {
	x := uint32(n)
	for ; n > 0; n-- {
		x = x*1664525 + 1013904223
	}
	if x == 0xdeadbeef {
		runtime.Gosched()
	}
}

// turnsPerNano is measured once, as the fastest of some tries: a try that was
// interrupted is a slow one.
var turnsPerNano = sync.OnceValue(func() float64 {
	const turns = 1 << 18
	fastest := time.Hour
	for range 20 {
		start := time.Now()
		turn(turns)
		fastest = min(fastest, time.Since(start))
	}
	return turns / float64(fastest)
})
