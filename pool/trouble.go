package pool

import (
	"log/slog"
	"time"
)

const (
	// troubleAfter is how long the claims for a slot key fail before it is said:
	// most engines are back sooner after a restart.
	troubleAfter = time.Second
	// troubleEvery is how often a pool says that claims fail, whatever the keys.
	troubleEvery = time.Minute
)

// A trouble is what is said about claims that fail.
type trouble struct {
	key   string    // one of those for which they do
	since time.Time // for that key
	err   error     // what the last one failed with
	keys  int       // for which claims fail now
	jobs  int       // that wait for slots of these
}

// noteTrouble says that the claims for the slots of h fail, unless it was said
// just now; the caller holds mu. A job that waits has nobody to tell, so a person
// is told.
func (p *Pool) noteTrouble(h *hold) {
	now, since := p.now(), min(h.claim.FailingSince(), h.claimed.Sub(p.began))
	if now-since < troubleAfter || p.troubleSaid > 0 && now-p.troubleSaid < troubleEvery {
		return
	}
	t := trouble{key: h.key, since: p.began.Add(since), err: h.err}
	if t.keys, t.jobs = p.core.Failing(); t.jobs == 0 {
		return
	}
	p.troubleSaid = now
	p.alive++
	go func() { // a handler is the user's, and may take its time
		defer p.goroutineEnds()
		p.say(t)
	}()
}

// say writes to the logger, whose handler may panic.
func (p *Pool) say(t trouble) {
	defer p.caught()
	p.cfg.logger().Warn("pool: jobs wait because no slot can be claimed for them. The pool goes on trying: "+
		"see whether the engine of its slots can be reached, has room, and is given the same limit by everybody",
		slog.String("key", t.key), slog.Any("error", t.err), slog.Time("since", t.since),
		slog.Int("jobs", t.jobs), slog.Int("keys", t.keys))
}
