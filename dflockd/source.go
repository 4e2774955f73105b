package dflockd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

// closeTimeout is how long a Close takes at most.
const closeTimeout = time.Second

var (
	_ slot.Source  = (*Source)(nil)
	_ slot.Trier   = (*Source)(nil)
	_ slot.Limiter = (*Source)(nil)

	_ slot.Partitioner = (*Source)(nil)
)

// A Source claims slots on dflockd servers for many workers at once, over few
// connections. It is safe for concurrent use.
type Source struct {
	cfg       *config
	limits    slot.Limits
	endpoints []*endpoint
	pace      gcra.Pace // of its claims; none but in AtPace
}

// NewSource returns a source of the given limits. Each semaphore's name is a key
// of the server. It checks the options and dials nothing; see [Source.Ping].
func NewSource(limits slot.Limits, opts ...Option) (*Source, error) {
	if err := checkLimits(limits); err != nil {
		return nil, fmt.Errorf("dflockd: %w", err)
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if len(cfg.single) > 0 {
		return nil, fmt.Errorf("dflockd: only for a Semaphore or a Lock: %s", strings.Join(slices.Compact(cfg.single), ", "))
	}
	return &Source{cfg: cfg, limits: limits, endpoints: cfg.endpoints()}, nil
}

// endpoints returns an endpoint for each server, or one for a cluster.
func (c *config) endpoints() []*endpoint {
	if c.cluster {
		return []*endpoint{newEndpoint(c, c.servers...)}
	}
	known := &addressBook{addresses: map[string]string{}}
	var es []*endpoint
	for _, server := range c.servers {
		e := newEndpoint(c, server)
		e.known = known
		es = append(es, e)
	}
	return es
}

// Format names the source, whatever the verb: what it has is used by others meanwhile.
func (s *Source) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "dflockd source of %s", strings.Join(s.cfg.servers, ", "))
}

// Enqueue takes a place in the line of key, or a slot if one is free. It takes
// one round trip, or two for a key that turns out to be contended, and a dial
// where no connection has room. While a server is down it returns
// slot.ErrUnavailable at once.
//
// A slot that is granted is renewed once Slot or Wait has returned it. Until then its
// lease runs down, and the slot goes back in time; Wait then returns
// slot.ErrUnavailable.
func (s *Source) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	cl, err := s.claim(ctx, key, kindPooled)
	if err != nil {
		return nil, err
	}
	return (*ticket)(cl), nil
}

// Try claims a slot of key if one is free now, in one round trip, and a dial where
// no connection has room.
func (s *Source) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	cl, err := s.claim(ctx, key, kindTry)
	if errors.Is(err, errNoneFree) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	got, ok := (*ticket)(cl).Slot()
	if !ok {
		return nil, false, cl.reason()
	}
	return got, true, nil
}

// Limit returns the number of slots of key, which is known without a server.
func (s *Source) Limit(key string) (int, bool) {
	_, n, err := semaphore(s.limits, key)
	return n, err == nil
}

// Partition names the server that has key: while it is down, claims for the keys
// of others go on. Keys that cannot be used have one part for all of them.
func (s *Source) Partition(key string) string {
	name, _, err := semaphore(s.limits, key)
	if err != nil {
		return ""
	}
	i, err := s.cfg.shard(name)
	if err != nil {
		return ""
	}
	return s.cfg.servers[i]
}

// claim starts a claim and waits until it has a slot or a place in line.
func (s *Source) claim(ctx context.Context, key string, k kind) (*claim, error) {
	cl, e, err := s.newClaim(ctx, key)
	if err != nil {
		return nil, err
	}
	cl.kind = k
	return cl, e.place(ctx, cl)
}

// newClaim returns a claim that has not started, and where to start it.
func (s *Source) newClaim(ctx context.Context, key string) (*claim, *endpoint, error) {
	if ctx.Err() != nil {
		return nil, nil, &Error{Engine: engine, Op: "claim", Key: key, Err: context.Cause(ctx)}
	}
	name, n, err := semaphore(s.limits, key)
	if err != nil {
		return nil, nil, err
	}
	i, err := s.cfg.shard(name)
	if err != nil {
		return nil, nil, err
	}
	verbs := semaphoreVerbs
	if !s.pace.IsNone() {
		verbs = pacedVerbs
	}
	return &claim{order: order{
		key: key, name: name, limit: int64(n), pace: s.pace, verbs: verbs, trace: slot.TraceFrom(ctx),
	}}, s.endpoints[i], nil
}

// place starts a claim and waits until it has a slot or a place in line.
func (e *endpoint) place(ctx context.Context, cl *claim) error {
	e.claim(cl)
	e.lock()
	defer e.unlock()
	return e.placed(ctx, cl)
}

// placed waits until a claim has a slot or a place in line. Caller holds mu, which
// is free meanwhile.
func (e *endpoint) placed(ctx context.Context, cl *claim) error {
	err := e.await(ctx, cl, func(cl *claim) bool { return cl.stage >= stagePlace })
	if err != nil {
		cl.abandon(err, time.Now())
		return cl.wrap("claim", err)
	}
	if cl.stage == stageDone {
		e.recycle(cl)
		return cl.err
	}
	return nil
}

// reason returns why the claim is done.
func (cl *claim) reason() error {
	cl.e.lock()
	defer cl.e.unlock()
	return cl.gone()
}

// Ping reports whether every server answers: one round trip to each, after a
// dial where there is no connection.
func (s *Source) Ping(ctx context.Context) error {
	errs := make([]error, len(s.endpoints))
	var wg sync.WaitGroup
	for i, e := range s.endpoints {
		wg.Go(func() { errs[i] = e.place(ctx, &claim{order: order{kind: kindPing}}) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close gives back the slots that are still held, whose contexts end with
// slot.ErrLost, and closes the connections. It returns when that is done, ctx
// ends, or a second has passed, whichever is first: what is left then is cut,
// and its slots are free as for a client that died.
//
// A strict server that takes no tagged requests, such as the original one, keeps a
// place in line until its wait is over, even if the connection closes. There
// connections with such places stay for up to a minute, so that what is granted to
// them goes back. Close waits for that while one is over every 100 ms, and no longer;
// it goes on in the background. A process that ends before, or a place that is
// granted later, costs the key one of its slots for a lease.
func (s *Source) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, closeTimeout, errClose)
	defer cancel()
	errs := make([]error, len(s.endpoints))
	var wg sync.WaitGroup
	for i, e := range s.endpoints {
		wg.Go(func() { errs[i] = e.close(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return &Error{Engine: engine, Op: "close", Err: err}
	}
	return nil
}

var errClose = errors.New("the servers did not answer in time; slots may stay held until their leases end")
