package redis

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// opKind is what the script is asked to do.
type opKind uint8

const (
	opClaim opKind = iota // take a place in line, or a slot
	opLeave               // end claims, and serve the line
	opBeat                // renew claims, and serve the line
	opAsk                 // something that is no matter of a claim
)

// An op is one call of the script.
type op struct {
	kind   opKind
	line   *line
	claim  *claim    // of opClaim
	ids    []string  // of opLeave and opBeat
	claims []*claim  // of opBeat, as ids
	doubt  bool      // of opLeave: copies of the claims' requests may be under way
	until  time.Time // of opLeave: after that the claims are dead anyhow
	tries  int       // of opLeave: how often it was asked for again while closing
	what   string    // of opAsk
	arg    any
	answer chan *goredis.Cmd
	copies copies
}

// copies counts how often a request was written. The client repeats what it got no
// answer to, and both may be carried out, in any order and much later. It is an
// argument of the request, since an argument is asked for its bytes each time that
// the request is written.
type copies struct{ n *atomic.Int32 }

func newCopies() copies { return copies{new(atomic.Int32)} }

func (c copies) count() int { return int(c.n.Load()) }

// MarshalBinary returns nothing: the engine need not know.
func (c copies) MarshalBinary() ([]byte, error) {
	c.n.Add(1)
	return nil, nil
}

// absorb makes one call of two that end claims of the same line, if they are such.
func (o *op) absorb(other *op) bool {
	if o.kind != opLeave || o.line.keys[0] != other.line.keys[0] || o.doubt != other.doubt || len(o.ids)+len(other.ids) > longestCall {
		return false
	}
	o.ids = append(slices.Clip(o.ids), other.ids...)
	o.until = latest(o.until, other.until)
	o.tries = max(o.tries, other.tries)
	return true
}

// send adds the call to a pipeline: whole, or by the hash of the script.
func (o *op) send(ctx context.Context, p goredis.Pipeliner, s *Source, whole bool) *goredis.Cmd {
	args := make([]any, 0, 6+len(o.ids))
	args = append(args, "", s.cfg.lease.Milliseconds(), s.channel)
	switch o.kind {
	case opClaim:
		mode := "line"
		if o.claim.once {
			mode = "try"
		}
		args[0] = "claim"
		args = append(args, o.claim.id, mode, o.copies)
	case opLeave:
		args[0] = "leave"
		args = append(args, o.doubt) // sent as 1 or 0
	case opBeat:
		args[0] = "beat"
	case opAsk:
		args[0] = o.what
		args = append(args, o.arg)
	}
	for _, id := range o.ids {
		args = append(args, id)
	}
	if whole {
		return p.Eval(ctx, lineText, o.line.keys, args...)
	}
	return p.EvalSha(ctx, lineHash, o.line.keys, args...)
}

// answered is called with the answer, or why there is none. Caller holds Source.mu.
func (o *op) answered(s *Source, cmd *goredis.Cmd, sent, now time.Time) {
	if cmd.Err() == nil {
		s.accepted.Store(true)
	}
	switch o.kind {
	case opClaim:
		o.claim.answered(cmd, o, sent, now)
	case opLeave:
		s.left(o, cmd, now)
	case opBeat:
		s.beaten(o, cmd, sent, now)
	case opAsk:
		o.answer <- cmd
	}
}
