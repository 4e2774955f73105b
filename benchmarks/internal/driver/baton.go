package driver

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"time"
)

// A Baton is a slot that processes hand to each other until a time. Each writes down
// when its jobs under it began and ended.
type Baton struct {
	Until int64 // nanoseconds since 1970
	Sleep time.Duration
	File  string
}

// Run runs jobs one after the other. under runs one of them while it has the slot.
func (b Baton) Run(under func(job func()) error) error {
	var times []byte // two of each job
	note := func() { times = binary.LittleEndian.AppendUint64(times, uint64(time.Now().UnixNano())) }
	for time.Now().UnixNano() < b.Until {
		if err := under(func() { note(); time.Sleep(b.Sleep); note() }); err != nil {
			return err
		}
		b.rest()
	}
	return os.WriteFile(b.File, times, 0o600)
}

// rest is what a process does between a job and its next claim: it lets the other one
// have the slot, and is back before that one's job is over. Without it a polling client
// would take the slot again itself, most of the time.
func (b Baton) rest() { time.Sleep(b.Sleep*3/10 + rand.N(b.Sleep*4/10)) }
