package sched_test

import (
	"testing"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// What the core itself costs for a job that has no handle and is short: it comes
// with others, is queued, and is handed out with others.
func BenchmarkShortJobs(b *testing.B) {
	const together = 64
	c := sched.New[*job](sched.Config{Workers: 8, Procs: 2, Batch: together, Queue: 1 << 20, QueueTotal: 1 << 20})
	jobs, into := make([]*job, together), make([]*job, together)
	for i := range jobs {
		jobs[i] = &job{}
	}
	b.ReportAllocs()
	var report sched.Report
	c.Inject(0, jobs[:1])
	c.Call(0)
	for n := 0; n < b.N; {
		if c.Queued() < together*8 {
			c.Inject(time.Duration(n), jobs)
		}
		o := c.Next(0, time.Duration(n), report, into)
		for o.Do == sched.Again {
			c.Recalls()
			o = c.Next(0, time.Duration(n), sched.Report{}, into)
		}
		c.Effects()
		report = sched.Report{Jobs: o.Jobs}
		n += max(1, o.Jobs)
	}
}

// The same for jobs of many keys, one at a time.
func BenchmarkJobsOfManyKeys(b *testing.B) {
	c := sched.New[*job](sched.Config{Workers: 8, Procs: 2, Batch: 64, Queue: 256, QueueTotal: 1 << 20})
	jobs := make([]*job, 1000)
	for i := range jobs {
		jobs[i] = &job{key: string(rune('a'+i%26)) + string(rune('a'+i/26)), node: &sched.Node{}}
	}
	b.ReportAllocs()
	var report sched.Report
	var into [64]*job
	c.Submit(0, jobs[0].request(), sched.Refuse)
	for n := range b.N {
		c.Submit(time.Duration(n), jobs[n%len(jobs)].request(), sched.Refuse)
		o := c.Next(0, time.Duration(n), report, into[:])
		c.Effects()
		report = sched.Report{Jobs: o.Jobs, Took: time.Second}
	}
}
