package redis

import (
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// heard is how many messages may wait until they are read.
	heard = 1024
	// listenCheck is after how long a silence the client asks whether the connection
	// of the subscription lives.
	listenCheck = 3 * time.Second
)

// listen hears of grants, until the source is closed. What it misses is found by the
// next renewal.
func (s *Source) listen() {
	sub := s.client.Subscribe(s.ctx, s.channel+s.session)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(goredis.WithChannelSize(heard), goredis.WithChannelHealthCheckInterval(listenCheck))
	for {
		select {
		case <-s.ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return // the client was closed before the source
			}
			s.hear(m)
		}
	}
}

// hear is told of a grant, or that the subscription is there: for the first time, or
// again. What was granted before nobody has heard of, so what waits is renewed at
// once, which tells.
func (s *Source) hear(m any) {
	s.lock()
	defer s.unlock()
	switch m := m.(type) {
	case *goredis.Subscription:
		s.hurry = true
		s.durability.known = false // it may be another server, or the same with other settings
		s.rouse()
	case *goredis.Message:
		word, name, ok := strings.Cut(m.Payload, "\n")
		if micros, err := strconv.ParseInt(word, 10, 64); ok && err == nil {
			s.heardOfTurn(time.Duration(micros)*time.Microsecond, name, time.Now())
		} else if ok {
			s.heardOfGrant(word, name, time.Now())
		}
	}
}

// heardOfTurn is told when the clock lets a claim of this source go that is the first in
// its line: the engine is asked to serve the line then. Caller holds mu.
func (s *Source) heardOfTurn(in time.Duration, name string, now time.Time) {
	ln := s.lines[name]
	if ln == nil {
		return
	}
	ln.turn = now.Add(in)
	if ln.turn.Before(s.awake) {
		s.rouse()
	}
}

// heardOfGrant is told of a grant. One that nobody waits for is given back: its claim
// was given up, or it is a copy of a request that was under way for long. Caller holds
// mu.
func (s *Source) heardOfGrant(id, name string, now time.Time) {
	c := s.claims[id]
	switch {
	case c == nil && !s.closing:
		s.post(&op{kind: opLeave, line: s.newLine(name), ids: []string{id}, doubt: true, until: now.Add(s.cfg.lease)})
	case c == nil:
	case c.state == asking:
		c.told = true
	case c.state == queued:
		c.grant(true, now)
	}
}
