package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// owned is what the connection has that closes in BenchmarkClose.
var owned = map[string]string{
	"places=one-key":   "#%d se|line|1 100000",
	"places=many-keys": "#%d se|held%d|1 100000",
	"slots=one-key":    "sl|slots|0 2000000 100000",
	"slots=many-keys":  "l|key%d|0 100000",
}

// BenchmarkClose reports how slow the slowest request of four other clients is
// while a connection closes that owned a lot, beside a quiet server's; and how
// long it takes until nothing is left of it.
func BenchmarkClose(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, what := range []string{"places=one-key", "places=many-keys", "slots=one-key", "slots=many-keys"} {
			b.Run(fmt.Sprintf("%s/n=%d", what, n), func(b *testing.B) {
				for _, start := range targets(b)[:1] { // the original knows no tags
					p := start(b)
					for b.Loop() {
						closeOne(b, p, what, n)
					}
				}
			})
		}
	}
}

func closeOne(b *testing.B, p *process, what string, n int) {
	holder := p.dial(b)
	holder.grant("l|line|0 100000")
	if what == "places=many-keys" {
		hold(holder, "held%d", 1, n)
	}
	owner := p.dial(b)
	own(owner, owned[what], n)
	quiet := slowest(b, p, func() { time.Sleep(2 * time.Second) })
	var cleared time.Duration
	closing := slowest(b, p, func() {
		begin := time.Now()
		_ = owner.Close()
		for !isCleared(holder.ask("stats|_|_"), what) {
			time.Sleep(50 * time.Millisecond) // stats are work, too
		}
		cleared = time.Since(begin)
		time.Sleep(time.Second)
	})
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(quiet), "ms-slowest-quiet")
	b.ReportMetric(ms(closing), "ms-slowest-closing")
	b.ReportMetric(ms(cleared), "ms-cleared")
	_ = holder.Close()
}

// isCleared reports whether stats show nothing of what the owner had.
func isCleared(stats, what string) bool {
	if strings.HasPrefix(what, "slots") {
		return strings.Contains(stats, `"held":1,`)
	}
	return strings.Count(stats, `"waiters":`) == strings.Count(stats, `"waiters":0`)
}

// own sends a request n times, in batches.
func own(c *client, request string, n int) {
	const batch = 500
	for done := 0; done < n; done += batch {
		var all strings.Builder
		for i := done; i < done+batch; i++ {
			text := strings.ReplaceAll(request, "#%d", fmt.Sprintf("#%d", i+1))
			text = strings.ReplaceAll(text, "%d", fmt.Sprint(i))
			all.WriteString(strings.ReplaceAll(text, "|", "\n") + "\n")
		}
		_, err := c.Write([]byte(all.String()))
		require.NoError(c.t, err)
		for range batch {
			require.NotContains(c.t, c.line(), "error")
		}
	}
}

// slowest lets four clients claim and release while f runs, and returns the
// longest time that one request took.
func slowest(b *testing.B, p *process, f func()) time.Duration {
	stop := make(chan struct{})
	times := make([]time.Duration, 4)
	var wg sync.WaitGroup
	for i := range times {
		c := p.dial(b)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					_ = c.Close()
					return
				default:
				}
				for _, request := range []string{fmt.Sprintf("l|mine%d|1", i), "ping|_|_"} {
					begin := time.Now()
					answer := c.ask(request)
					times[i] = max(times[i], time.Since(begin))
					if f := strings.Fields(answer); len(f) == 3 {
						c.ask(fmt.Sprintf("r|mine%d|%s", i, f[1]))
					}
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	f()
	close(stop)
	wg.Wait()
	longest := times[0]
	for _, d := range times {
		longest = max(longest, d)
	}
	return longest
}
