package replay

import (
	"github.com/berth-go/berth/internal/model"
	"github.com/berth-go/berth/internal/trace"
)

// find returns the claim that an event is about, or says why there is none.
func (r *replay) find(l *line, e trace.Event) (cl *claim, why string) {
	switch e.Kind {
	case trace.Sent, trace.Received, trace.Begin, trace.End:
		if claims(e.What) && e.Kind == trace.Sent {
			return r.begin(l, e)
		}
		cl = r.claims[name{e.Node, e.Claim}]
	case trace.Enqueue:
		if cl = r.next(e); cl != nil {
			cl.at = e.Conn
			r.places[place{e.Conn, e.Key, e.Tag}] = cl
		}
	case trace.Wait, trace.Grant, trace.Leave:
		cl = r.places[place{e.Conn, e.Key, e.Tag}]
	default:
		cl = r.fences[e.Fence]
	}
	if cl == nil {
		return nil, "it is about a claim that there is not"
	}
	if cl.line != l {
		return nil, "it is about a claim of another key, " + cl.line.key
	}
	if e.Fence != 0 && (e.Kind == trace.Enqueue || e.Kind == trace.Grant || e.Kind == trace.Wait) {
		if other := r.fences[e.Fence]; other != nil && other != cl {
			return nil, "its fence is that of another grant"
		}
		r.fences[e.Fence] = cl
	}
	return cl, ""
}

func claims(m model.Message) bool {
	return m&(trace.AskSlot|trace.AskPlace|trace.AskBoth) != 0
}

// begin makes a peer for an attempt.
func (r *replay) begin(l *line, e trace.Event) (*claim, string) {
	id := name{e.Node, e.Claim}
	if r.claims[id] != nil {
		return nil, "the client has sent this request before"
	}
	cl := &claim{line: l, name: id, conn: e.Conn}
	r.claims[id] = cl
	r.sent[e.Conn] = append(r.sent[e.Conn], cl)
	r.stats.Claims++
	fresh := model.Peer{Limit: int(e.Limit), Way: e.What}
	for i := range l.state.Peers {
		if over(&l.state.Peers[i]) {
			l.owners[i].peer = forgotten
			cl.peer, l.owners[i], l.state.Peers[i] = i, cl, fresh
			return cl, ""
		}
	}
	cl.peer = len(l.owners)
	l.owners = append(l.owners, cl)
	l.state.Peers = append(l.state.Peers, fresh)
	return cl, ""
}

// over reports whether nothing is left of a claim that could matter to others.
func over(p *model.Peer) bool {
	return p.Stage == model.Idle && !p.Held && !p.Placed && !p.Release && p.Requests|p.Answers|p.Stray == 0
}

// next returns the claim whose request is the next on a connection.
func (r *replay) next(e trace.Event) *claim {
	sent := r.sent[e.Conn]
	if len(sent) == 0 {
		return nil
	}
	r.sent[e.Conn] = sent[1:]
	return sent[0]
}

// ofClaim replays an event of a claim.
func (r *replay) ofClaim(l *line, cl *claim, e trace.Event) error {
	if cl.peer == forgotten {
		if e.What == trace.Denied || e.What == trace.Refused || e.What == trace.AskFree || e.What == trace.AskLeave {
			l.note(e)
			return nil
		}
		return l.forbidden(e, "the claim is over")
	}
	label := model.Label{Kind: e.Kind, What: e.What, Peer: cl.peer}
	peer := func() *model.Peer { return &l.state.Peers[cl.peer] }
	switch e.Kind {
	case trace.Sent:
		if e.Conn != cl.conn && peer().Link == model.Down {
			if err := r.step(l, e, model.Label{Peer: cl.peer}); err != nil { // it has another connection
				return err
			}
			cl.conn = e.Conn
		}
		if e.Conn != cl.conn {
			return l.forbidden(e, "the client's connection is another one, "+cl.conn)
		}
	case trace.Enqueue, trace.Wait, trace.Renew:
		label.Stray = e.Conn != cl.conn || peer().Link == model.Down
	case trace.Expire, trace.Grant, trace.Leave, trace.Revoke, trace.Begin:
		label.What = 0
	case trace.Release:
		if e.What != trace.Denied {
			label.What = 0
		}
	}
	if err := r.step(l, e, label); err != nil {
		return err
	}
	switch {
	case e.Kind == trace.Begin:
		r.stats.Begun++
	case e.Kind == trace.Grant || e.Kind == trace.Enqueue && e.What == trace.Acquired:
		r.stats.Grants++
	case e.Kind == trace.Release:
		cl.taken("", trace.AskFree)
	}
	if label.Stray {
		cl.taken(e.Conn, asks(e.Kind))
	}
	peer().Stray = cl.stray()
	return nil
}

// asks returns what the server has taken.
func asks(k trace.Kind) model.Message {
	switch k {
	case trace.Enqueue:
		return trace.AskSlot | trace.AskPlace | trace.AskBoth
	case trace.Wait:
		return trace.AskWait
	default:
		return trace.AskLease
	}
}
