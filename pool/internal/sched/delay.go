package sched

import "time"

// A delay is a job that waits for its time: one that backs off, or that was
// submitted for later.
type delay[J Job] struct {
	at  time.Duration
	seq int64 // of equal times, the one that was asked for first comes first
	Request[J]
}

func newDelays[J Job]() heap[delay[J]] {
	return heap[delay[J]]{
		before: func(a, b delay[J]) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq },
		place:  func(d delay[J], i int) { d.Job.Node().delayedAt(i) },
	}
}

// delay lets a job wait until a time.
func (c *Core[J]) delay(at time.Duration, r Request[J]) {
	c.delaySeq++
	c.delays.push(delay[J]{at: at, seq: c.delaySeq, Request: r})
	c.setAlarm()
}

// undelay takes out the job at i.
func (c *Core[J]) undelay(i int) delay[J] {
	d := c.delays.remove(i)
	d.Job.Node().move(nowhere)
	return d
}

// queueDue queues the jobs whose time has come.
func (c *Core[J]) queueDue() {
	for len(c.delays.all) > 0 && c.delays.all[0].at <= c.now {
		d := c.undelay(0)
		lv := c.level(c.lane(d.Request), d.Priority)
		if d.Job.Node().hasTombstone() {
			lv.sweep() // or its tombstone would come to life
		}
		c.queue(lv, d.Job)
	}
}
