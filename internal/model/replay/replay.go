package replay

import (
	"time"

	"github.com/berth-go/berth/internal/model"
	"github.com/berth-go/berth/internal/trace"
)

// A replay is how far a trace was replayed.
type replay struct {
	cfg    *model.Config
	stats  Stats
	lines  map[string]*line
	claims map[name]*claim
	sent   map[string][]*claim // by connection: claims that the server has not taken, in their order
	fences map[uint64]*claim
	places map[place]*claim
	closed map[string]bool // connections, by their clients
	gone   map[string]bool // the same, by the server
}

// A name is how the client of a claim calls it.
type name struct {
	node  string
	claim uint64
}

// A place is how the server finds a claim.
type place struct {
	conn, key string
	tag       uint64
}

// A claim is one attempt of a client: a peer of its key's line.
type claim struct {
	line   *line
	peer   int    // forgotten: nothing is left of it
	conn   string // of the client, the last one
	at     string // on which the server has taken it
	name   name
	strays []stray
}

const forgotten = -1

// A stray is a request on a connection that the client has given up.
type stray struct {
	conn string
	ask  model.Message
}

// A line is a key, and what is known of it at the last event that had to do with it.
type line struct {
	key    string
	state  model.State
	now    time.Time
	owners []*claim // by peer
	before []trace.Event
}

func newReplay(s Setup) *replay {
	return &replay{
		cfg: s.config(), stats: Stats{Kinds: map[trace.Kind]int{}}, lines: map[string]*line{}, claims: map[name]*claim{},
		sent: map[string][]*claim{}, fences: map[uint64]*claim{}, places: map[place]*claim{},
		closed: map[string]bool{}, gone: map[string]bool{},
	}
}

// line returns the line of a key. A new one is as the key that nobody claims has it,
// so that it knows of a grace.
func (r *replay) line(key string, at time.Time) *line {
	l := r.lines[key]
	if l == nil {
		l = &line{key: key, now: at}
		if nobodys := r.lines[""]; nobodys != nil {
			l.state, l.now = nobodys.state, nobodys.now
		}
		r.lines[key] = l
	}
	return l
}

// event replays an event.
func (r *replay) event(e trace.Event) error {
	r.stats.Events++
	r.stats.Kinds[e.Kind]++
	switch e.Kind {
	case trace.Restart, trace.Drain:
		return r.everywhere(e)
	case trace.Close, trace.Drop, trace.Kill:
		if why := r.over(e); why != "" {
			return r.line("", e.At).forbidden(e, why)
		}
		return r.connection(e)
	case trace.Pause:
		what := model.Message(0)
		if e.Length == 0 {
			what = trace.Done
		}
		return r.step(r.line(e.Key, e.At), e, model.Label{Kind: trace.Pause, What: what, Peer: model.Nobody})
	}
	l := r.line(e.Key, e.At)
	if why := r.over(e); why != "" {
		return l.forbidden(e, why)
	}
	cl, why := r.find(l, e)
	if why != "" {
		return l.forbidden(e, why)
	}
	return r.ofClaim(l, cl, e)
}

// over says why nothing like an event can happen on its connection any more.
func (r *replay) over(e trace.Event) string {
	switch {
	case e.Kind == trace.Sent && claims(e.What) && r.closed[e.Conn] && r.gone[e.Conn]:
		delete(r.closed, e.Conn) // another one has its address
		delete(r.gone, e.Conn)
	case (e.Kind == trace.Sent || e.Kind == trace.Close) && r.closed[e.Conn]:
		return "the client has closed this connection before"
	case e.Kind == trace.Close:
		r.closed[e.Conn] = true
	case (e.Kind == trace.Enqueue || e.Kind == trace.Wait || e.Kind == trace.Renew || e.Kind == trace.Drop) && r.gone[e.Conn]:
		return "the server has seen the end of this connection before"
	case e.Kind == trace.Drop:
		r.gone[e.Conn] = true
	}
	return ""
}

// everywhere replays what befalls all keys.
func (r *replay) everywhere(e trace.Event) error {
	r.line("", e.At)
	if e.Kind == trace.Restart {
		r.cfg.Grace = model.Time(e.Length)
		clear(r.sent)
		clear(r.places)
		for _, cl := range r.claims {
			cl.strays = nil
		}
	}
	for _, l := range r.lines {
		if err := r.step(l, e, model.Label{Kind: e.Kind, Peer: model.Nobody}); err != nil {
			return err
		}
		for i, cl := range l.owners {
			l.state.Peers[i].Stray = cl.stray()
		}
	}
	return nil
}

// connection replays what befalls the claims of a connection, or of a node.
func (r *replay) connection(e trace.Event) error {
	for _, l := range r.lines {
		for peer, cl := range l.owners {
			if !cl.concerned(e) {
				continue
			}
			p := l.state.Peers[peer]
			if e.Kind != trace.Drop && p.Link != model.Down {
				cl.leaveBehind(&p)
			}
			old := e.Kind == trace.Drop && cl.conn != e.Conn
			if err := r.step(l, e, model.Label{Kind: e.Kind, Peer: peer, Stray: old}); err != nil {
				return err
			}
			if e.Kind == trace.Drop {
				cl.dropped(e.Conn)
			}
			l.state.Peers[peer].Stray = cl.stray()
		}
	}
	if e.Kind == trace.Drop {
		delete(r.sent, e.Conn)
	}
	return nil
}

// concerned reports whether the end of a connection, or of a node, is one of the
// claim's.
func (cl *claim) concerned(e trace.Event) bool {
	switch e.Kind {
	case trace.Kill:
		return cl.name.node == e.Node
	case trace.Close:
		return cl.conn == e.Conn && cl.name.node == e.Node
	default:
		return cl.conn == e.Conn || cl.at == e.Conn
	}
}

// leaveBehind notes what is under way on the claim's connection.
func (cl *claim) leaveBehind(p *model.Peer) {
	ask := p.Requests
	if p.Release {
		ask |= trace.AskFree
	}
	if ask != 0 {
		cl.strays = append(cl.strays, stray{cl.conn, ask})
	}
}

// dropped forgets what is under way on a connection that the server has seen end.
func (cl *claim) dropped(conn string) {
	var left []stray
	for _, s := range cl.strays {
		if s.conn != conn {
			left = append(left, s)
		}
	}
	cl.strays = left
}

func (cl *claim) stray() (ask model.Message) {
	for _, s := range cl.strays {
		ask |= s.ask
	}
	return ask
}

// taken forgets a stray that the server has taken; "" is any connection.
func (cl *claim) taken(conn string, ask model.Message) {
	for i := range cl.strays {
		if s := &cl.strays[i]; s.ask&ask != 0 && (conn == "" || s.conn == conn) {
			s.ask &^= ask
			return
		}
	}
}

// step replays an event as a step of a line.
func (r *replay) step(l *line, e trace.Event, label model.Label) error {
	if err := r.pass(l, e); err != nil {
		return err
	}
	steps := r.cfg.Of(l.state, label)
	if len(steps) == 0 {
		return l.forbidden(e, "no step of the model is like that")
	}
	l.state = steps[0].To
	if err := r.cfg.Broken(&l.state); err != nil {
		return l.forbidden(e, err.Error())
	}
	l.note(e)
	return nil
}

// pass lets the time until an event pass.
func (r *replay) pass(l *line, e trace.Event) error {
	d := model.Time(e.At.Sub(l.now))
	if d <= 0 {
		return nil
	}
	if in, what, ok := r.cfg.Due(&l.state); ok && in < d {
		return l.forbidden(e, "before that, at "+l.now.Add(time.Duration(in)).Format(clock)+", "+what)
	}
	l.now = e.At
	l.state = r.cfg.Pass(l.state, d)
	if err := r.cfg.Broken(&l.state); err != nil {
		return l.forbidden(e, "before that, "+err.Error())
	}
	return nil
}
