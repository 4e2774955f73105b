package server

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks over TCP talk to a server in a process of its own and report
// the processor time that it used, "server-µs/op". With BERTH_ORIGINAL_SERVER set
// they do the same to the original, in the same run.

// each runs bench, which calls p.begin after its preparations, against every
// target.
func each(b *testing.B, bench func(b *testing.B, p *process)) {
	for _, start := range targets(b) {
		p := start(b)
		b.Run(p.name, func(b *testing.B) {
			bench(b, p)
			b.ReportMetric(float64((p.cpu(b)-p.began).Microseconds())/float64(b.N), "server-µs/op")
		})
	}
}

// claim acquires and releases once.
func (c *client) claim(acquire, key string) {
	token, _ := c.granted(c.ask(acquire))
	c.ask("r|" + key + "|" + token)
}

func BenchmarkAcquireRelease(b *testing.B) {
	for _, workers := range []int{1, 10, 64} {
		for _, keys := range []string{"distinct", "one"} {
			b.Run(fmt.Sprintf("workers=%d/keys=%s", workers, keys), func(b *testing.B) {
				each(b, func(b *testing.B, p *process) {
					clients := make([]*client, workers)
					for i := range clients {
						clients[i] = p.dial(b)
					}
					var wg sync.WaitGroup
					p.begin(b)
					b.ResetTimer()
					for i, c := range clients {
						key := "k"
						if keys == "distinct" {
							key = fmt.Sprintf("k%d", i)
						}
						wg.Go(func() {
							for range b.N / workers {
								c.claim("l|"+key+"|1000", key)
							}
						})
					}
					wg.Wait()
				})
			})
		}
	}
}

// BenchmarkPipelined sends 16 requests at once and reads their answers.
func BenchmarkPipelined(b *testing.B) {
	each(b, func(b *testing.B, p *process) {
		c := p.dial(b)
		request := strings.Repeat("sl\npipelined\n0 1\n", 16)
		p.begin(b)
		for b.Loop() {
			_, err := c.Write([]byte(request))
			require.NoError(b, err)
			for range 16 {
				c.line()
			}
		}
	})
}

// BenchmarkOtherKeys connects, acquires and disconnects while many other keys
// are held: the cost must not grow.
func BenchmarkOtherKeys(b *testing.B) {
	for _, others := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprintf("held=%d", others), func(b *testing.B) {
			each(b, func(b *testing.B, p *process) {
				hold(p.dial(b), "other%d", 1, others)
				p.begin(b)
				for b.Loop() {
					c := p.dial(b)
					c.grant("l|k|1000")
					_ = c.Close()
				}
			})
		})
	}
}

// hold acquires n slots for long, on keys made from form.
func hold(c *client, form string, limit, n int) {
	const batch = 500
	for done := 0; done < n; done += batch {
		var requests strings.Builder
		for i := done; i < done+min(batch, n-done); i++ {
			fmt.Fprintf(&requests, "sl\n"+form+"\n0 %d 100000\n", i, limit)
		}
		_, err := c.Write([]byte(requests.String()))
		require.NoError(c.t, err)
		for range min(batch, n-done) {
			c.granted(c.line())
		}
	}
}

// BenchmarkHolders acquires and releases a slot of a key that has many other
// holders.
func BenchmarkHolders(b *testing.B) {
	for _, holders := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("holders=%d", holders), func(b *testing.B) {
			each(b, func(b *testing.B, p *process) {
				c := p.dial(b)
				for range holders {
					c.grant(fmt.Sprintf("sl|k|0 %d 100000", holders+1))
				}
				p.begin(b)
				request := fmt.Sprintf("sl|k|1000 %d", holders+1)
				for b.Loop() {
					c.claim(request, "k")
				}
			})
		})
	}
}

// BenchmarkIdleLeases reports the processor time per second of a server that
// holds 100,000 leases and has nothing to do.
func BenchmarkIdleLeases(b *testing.B) {
	for _, start := range targets(b) {
		p := start(b)
		b.Run(p.name, func(b *testing.B) {
			hold(p.dial(b), "k%d", 1, 100_000)
			time.Sleep(2 * time.Second) // let its garbage be collected
			before := p.cpu(b)
			begin := time.Now()
			for b.Loop() {
				time.Sleep(time.Second)
			}
			b.ReportMetric(float64((p.cpu(b)-before).Milliseconds())/time.Since(begin).Seconds(), "server-ms/s")
		})
	}
}

// BenchmarkWaiters lets many wait for one key over TCP, as many as open files
// and local ports allow, and ends them in two ways.
func BenchmarkWaiters(b *testing.B) {
	n := min(19_000, openFiles()-500)
	b.Logf("%d waiters; %d open files allowed", n, openFiles())
	for _, start := range targets(b) {
		p := start(b)
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				waitAndDrop(b, p, n)
			}
		})
	}
}

func waitAndDrop(b *testing.B, p *process, n int) {
	holder := p.dial(b)
	token, _ := holder.grant("l|k|0 1000")
	before := p.memory(b)
	waiters := make([]*client, n)
	for i := range waiters {
		waiters[i] = p.dial(b)
		waiters[i].send("l|k|1000 1000")
	}
	require.Eventually(b, func() bool { return strings.Contains(holder.ask("stats|_|_"), fmt.Sprintf(`"waiters":%d`, n)) }, time.Minute, 50*time.Millisecond)
	b.ReportMetric(float64(p.memory(b)-before)/float64(n), "B/waiter")

	begin := time.Now()
	granted := relay(waiters, n/2)
	holder.ask("r|k|" + token)
	last := <-granted
	b.ReportMetric(float64(time.Since(begin).Microseconds())/float64(n/2), "µs/grant")

	for _, w := range waiters {
		if w != last.client {
			_ = w.Close()
		}
	}
	begin = time.Now()
	require.Equal(b, "ok 1000", last.client.ask("n|k|"+last.token+" 1000"))
	b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, "ms-renewal-while-dropped")
	live := p.dial(b)
	live.send("l|k|1000")
	begin = time.Now()
	last.client.ask("r|k|" + last.token)
	live.granted(live.line())
	b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, "ms-past-the-dead")
	_ = last.client.Close()
}

// grantee is a client and the token that it was granted.
type grantee struct {
	client *client
	token  string
}

// relay lets each waiter release what it is granted, up to the k-th, which it
// sends.
func relay(waiters []*client, k int) <-chan grantee {
	last := make(chan grantee, 1)
	var count atomic.Int64
	for _, w := range waiters {
		go func() {
			buf := make([]byte, 64)
			n, err := w.Read(buf)
			if err != nil {
				return // it was dropped
			}
			token := strings.Fields(string(buf[:n]))[1]
			if int(count.Add(1)) == k {
				last <- grantee{w, token}
				return
			}
			w.send("r|k|" + token)
		}()
	}
	return last
}

// BenchmarkWaitersInMemory lets 50,000 wait for one key in memory; then all
// time out, all are granted, or all go at once.
func BenchmarkWaitersInMemory(b *testing.B) {
	const n = 50_000
	for _, end := range []string{"granted", "timed-out", "dropped"} {
		b.Run(end, func(b *testing.B) {
			for b.Loop() {
				s := start(b)
				holder := dial(b, s)
				token, _ := holder.grant("l|k|0 1000")
				before := inUse()
				waiters := make([]*client, n)
				timeout := map[bool]string{true: "3", false: "1000"}[end == "timed-out"]
				for i := range waiters {
					nc, err := s.Dial(b.Context())
					require.NoError(b, err)
					waiters[i] = &client{t: b, Conn: nc}
					waiters[i].send("l|k|" + timeout)
				}
				if end != "timed-out" {
					require.Eventually(b, func() bool { return s.Stats().Locks[0].Waiters == n }, time.Minute, time.Millisecond)
					b.ReportMetric(float64(inUse()-before)/n, "B/waiter")
				}
				begin := time.Now()
				switch end {
				case "granted":
					last := relay(waiters, n)
					holder.ask("r|k|" + token)
					<-last
				case "timed-out":
					require.Eventually(b, func() bool { return s.Stats().Timeouts == n }, time.Minute, time.Millisecond)
				case "dropped":
					for _, w := range waiters {
						_ = w.Close()
					}
					renewal := time.Now()
					holder.ask("n|k|" + token + " 1000")
					b.ReportMetric(float64(time.Since(renewal).Microseconds())/1000, "ms-renewal")
					require.Eventually(b, func() bool { return s.Stats().Locks[0].Waiters == 0 }, time.Minute, time.Millisecond)
				}
				b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms-all")
				for _, w := range waiters {
					_ = w.Close()
				}
				s.Close()
			}
		})
	}
}

// inUse returns the memory that the process uses, stacks included.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
