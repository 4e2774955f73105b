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
	// mostFlights is how many pipelines of a lane are under way at once. While they
	// are, others gather, which is what makes one pipeline of many claims.
	mostFlights = 2
	// mostLate is how many pipelines may hang besides, because the client does not
	// heed the timeout: it waits and repeats for as long as its own options say.
	mostLate = 16
)

// A lane sends requests that may wait for each other: those of one server. Its fields
// are guarded by Source.mu.
type lane struct {
	pending []*op
	claims  flights // send what is pending
	beats   flights // send renewals, which wait for nobody
}

// flights are pipelines that are under way.
type flights struct {
	all    map[*flight]struct{}
	flying int // those that are not late
}

// A flight is a goroutine that sends a pipeline, or one after the other.
type flight struct {
	sent time.Time
	late bool // it is not waited for any more
}

// begin returns a flight, or nil if there are as many as may be. Caller holds
// Source.mu.
func (f *flights) begin(most int) *flight {
	if f.flying == most || len(f.all) == most+mostLate {
		return nil
	}
	if f.all == nil {
		f.all = map[*flight]struct{}{}
	}
	one := &flight{sent: time.Now()}
	f.all[one] = struct{}{}
	f.flying++
	return one
}

// end forgets a flight. Caller holds Source.mu.
func (f *flights) end(one *flight) {
	delete(f.all, one)
	if !one.late {
		f.flying--
	}
}

// writeOff lets others fly in the place of flights that hang. Caller holds Source.mu.
func (f *flights) writeOff(now time.Time, after time.Duration) {
	for one := range f.all {
		if !one.late && now.Sub(one.sent) >= after {
			one.late = true
			f.flying--
		}
	}
}

// post has a request sent. Caller holds mu.
func (s *Source) post(o *op) {
	o.copies = newCopies()
	o.line.lane.pending = append(o.line.lane.pending, o)
	s.launch(o.line.lane)
}

// launch starts a flight, if one is wanted and may start. Caller holds mu.
func (s *Source) launch(l *lane) {
	if len(l.pending) == 0 {
		return
	}
	if f := l.claims.begin(mostFlights); f != nil {
		s.tasks.Go(func() { s.fly(l, f) })
	}
}

// fly sends what is pending until nothing is.
func (s *Source) fly(l *lane, f *flight) {
	for {
		batch := s.next(l, f)
		if batch == nil {
			return
		}
		s.exchange(batch)
	}
}

// next returns what is to be sent now. Without anything, or with a flight that is
// late, the flight is over.
func (s *Source) next(l *lane, f *flight) []*op {
	s.lock()
	defer s.unlock()
	var batch []*op
	for !f.late && len(batch) < longestPipeline && len(l.pending) > 0 {
		o := l.pending[0]
		l.pending = l.pending[1:]
		switch {
		case o.kind == opClaim && o.claim.state == done: // it was given up before it was sent
		case o.kind == opLeave && slices.ContainsFunc(batch, func(b *op) bool { return b.absorb(o) }):
		default:
			batch = append(batch, o)
		}
	}
	if len(l.pending) == 0 {
		l.pending = nil
	}
	if batch == nil {
		l.claims.end(f)
		s.checkDrained()
		return nil
	}
	f.sent = time.Now()
	return batch
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
	isClaim := func(o *op) bool { return o.kind == opClaim }
	if !slices.ContainsFunc(batch, isClaim) {
		return batch
	}
	err := s.durable(ctx)
	if err == nil {
		return batch
	}
	s.lock()
	defer s.unlock()
	for _, o := range batch {
		if isClaim(o) && o.claim.state != done {
			o.claim.end(s.wrap("claim", o.claim.name, asOutage(err)))
		}
	}
	return slices.DeleteFunc(batch, isClaim)
}

// repeatWhole sends the script along with each request that the server could not
// serve without: one that was restarted or is new, or whose scripts were flushed. The
// copy that was refused does nothing, so unless there was another one there is none now.
func (s *Source) repeatWhole(ctx context.Context, batch []*op, cmds []*goredis.Cmd) {
	var again []*op
	var where []int
	for i, cmd := range cmds {
		if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			if batch[i].copies.count() == 1 {
				batch[i].copies = newCopies()
			}
			again, where = append(again, batch[i]), append(where, i)
		}
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
