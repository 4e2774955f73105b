package locktable

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkClear clears what a connection owned and reports the longest of the
// calls, which is how long it holds others up, and what each claim costs. On a
// machine that has other things to do the longest is theirs; p99 is not.
func BenchmarkClear(b *testing.B) {
	for _, what := range []string{"places=one-key", "places=many-keys", "slots=one-key", "slots=many-keys"} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/n=%d", what, n), func(b *testing.B) {
				longest, total := time.Duration(1<<62), time.Duration(0)
				var p99 time.Duration
				for b.Loop() {
					b.StopTimer()
					t, c := crowded(what, n)
					b.StartTimer()
					calls := clearing(t, c)
					slices.Sort(calls)
					longest, p99 = min(longest, calls[len(calls)-1]), calls[len(calls)*99/100]
					for _, d := range calls {
						total += d
					}
				}
				b.ReportMetric(float64(longest.Microseconds()), "µs-longest")
				b.ReportMetric(float64(p99.Microseconds()), "µs-p99")
				b.ReportMetric(float64(total.Nanoseconds())/float64(n)/float64(b.N), "ns/claim")
			})
		}
	}
}

// crowded returns a table in which c owns a lot.
func crowded(what string, n int) (*Table, *Conn) {
	t := New(Config{Random: func() uint64 { return 42 }})
	c, other := new(Conn), new(Conn)
	for i := range n {
		a := Claim{Key: []byte("k"), Limit: 1, Lease: time.Hour, Tag: uint64(i + 1)}
		switch what {
		case "places=many-keys":
			a.Key = fmt.Appendf(nil, "key%d", i)
			t.Acquire(0, other, Claim{Key: a.Key, Limit: 1, Lease: time.Hour})
		case "places=one-key":
			if i == 0 {
				t.Acquire(0, other, Claim{Key: a.Key, Limit: 1, Lease: time.Hour})
			}
		case "slots=one-key":
			a.Limit = int64(n)
		case "slots=many-keys":
			a.Key = fmt.Appendf(nil, "key%d", i)
		}
		t.Enqueue(0, c, a)
	}
	return t, c
}

func clearing(t *Table, c *Conn) (calls []time.Duration) {
	begin := time.Now()
	t.CloseConn(0, c)
	calls = append(calls, time.Since(begin))
	for t.Pending() {
		begin = time.Now()
		t.Clear(0)
		calls = append(calls, time.Since(begin))
	}
	return calls
}
