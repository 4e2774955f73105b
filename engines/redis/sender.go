package redis

import (
	"context"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// longestPipeline is how many requests are written at once.
	longestPipeline = 64
	// mostFlights is how many pipelines are under way at once. While they are, others
	// gather, which is what makes one pipeline of many claims.
	mostFlights = 2
	// mostLate is how many pipelines may hang besides, because the client does not
	// heed the timeout: it waits and repeats for as long as its own options say.
	mostLate = 16
)

// A sender has requests sent that can wait for each other. Its fields are guarded by
// Source.mu.
type sender struct {
	pending []*op
	flights map[*flight]struct{}
	flying  int // flights that are not late
}

// A flight is a goroutine that sends pipelines, one after the other.
type flight struct {
	sent time.Time
	late bool // it is not waited for any more
}

// post has a request sent. Caller holds mu.
func (s *Source) post(o *op) {
	o.copies = newCopies()
	s.sender.pending = append(s.sender.pending, o)
	s.launch()
}

// launch starts a flight, if one is wanted and may start. Caller holds mu.
func (s *Source) launch() {
	q := &s.sender
	if len(q.pending) == 0 || q.flying == mostFlights || len(q.flights) == mostFlights+mostLate {
		return
	}
	if q.flights == nil {
		q.flights = map[*flight]struct{}{}
	}
	f := &flight{sent: time.Now()}
	q.flights[f] = struct{}{}
	q.flying++
	s.tasks.Go(func() { s.fly(f) })
}

// fly sends what is pending until nothing is.
func (s *Source) fly(f *flight) {
	for {
		batch := s.next(f)
		if batch == nil {
			return
		}
		s.exchange(batch)
	}
}

// next returns what is to be sent now. Without anything, or with a flight that is
// late, the flight is over.
func (s *Source) next(f *flight) []*op {
	s.lock()
	defer s.unlock()
	q := &s.sender
	var batch []*op
	for !f.late && len(batch) < longestPipeline && len(q.pending) > 0 {
		o := q.pending[0]
		q.pending = q.pending[1:]
		if o.kind != opClaim || o.claim.state != done { // it was given up before it was sent
			batch = append(batch, o)
		}
	}
	if len(q.pending) == 0 {
		q.pending = nil
	}
	if batch == nil {
		delete(q.flights, f)
		if !f.late {
			q.flying--
		}
		s.checkDrained()
		return nil
	}
	f.sent = time.Now()
	return batch
}

// writeOff lets others fly in the place of flights that hang. Caller holds mu.
func (s *Source) writeOff(now time.Time) {
	for f := range s.sender.flights {
		if !f.late && now.Sub(f.sent) >= s.cfg.timeout {
			f.late = true
			s.sender.flying--
		}
	}
	s.launch()
}

// exchange sends a pipeline and hands out the answers.
func (s *Source) exchange(batch []*op) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.timeout)
	defer cancel()
	batch = s.refuseUnlessDurable(ctx, batch)
	sent := time.Now()
	cmds := s.pipe(ctx, batch, false)
	s.repeatWhole(ctx, batch, cmds)
	s.lock()
	defer s.unlock()
	now := time.Now()
	for i, o := range batch {
		o.answered(s, cmds[i], sent, now)
	}
}

// refuseUnlessDurable refuses the claims of a batch where the server has to be durable
// and is not, and returns what is left.
func (s *Source) refuseUnlessDurable(ctx context.Context, batch []*op) []*op {
	err := s.durable(ctx)
	if err == nil {
		return batch
	}
	s.lock()
	defer s.unlock()
	return slices.DeleteFunc(batch, func(o *op) bool {
		if o.kind != opClaim {
			return false
		}
		if o.claim.state != done {
			o.claim.end(s.wrap("claim", o.claim.name, asOutage(err)))
		}
		return true
	})
}

// repeatWhole sends the script along with each request that the server could not
// serve without: one that was restarted or is new, or whose scripts were flushed.
func (s *Source) repeatWhole(ctx context.Context, batch []*op, cmds []*goredis.Cmd) {
	var again []*op
	var where []int
	for i, cmd := range cmds {
		if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			again, where = append(again, batch[i]), append(where, i)
		}
	}
	if again == nil {
		return
	}
	for i, cmd := range s.pipe(ctx, again, true) {
		cmds[where[i]] = cmd
	}
}

// pipe sends requests and returns their answers. The client's error is that of each
// that has no answer.
func (s *Source) pipe(ctx context.Context, batch []*op, whole bool) (cmds []*goredis.Cmd) {
	if len(batch) == 0 {
		return nil
	}
	p := s.client.Pipeline()
	for _, o := range batch {
		cmds = append(cmds, o.send(ctx, p, s, whole))
	}
	_, _ = p.Exec(ctx)
	return cmds
}
