package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// closeTimeout is how long a Close takes at most.
const closeTimeout = time.Second

var (
	_ slot.Source  = (*Source)(nil)
	_ slot.Trier   = (*Source)(nil)
	_ slot.Joiner  = (*Source)(nil)
	_ slot.Limiter = (*Source)(nil)
)

// A Source claims slots on an etcd cluster for many workers at once. It is safe for
// concurrent use.
type Source struct {
	client *clientv3.Client
	limits slot.Limits
	cfg    *config

	ctx   context.Context // of every request; ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // the goroutines of the source
	gone  chan struct{}  // closed when Close is done; closeErr is set by then

	// mu guards what follows. No request is made and no function of the user's is
	// called while it is held.
	mu       sync.Mutex
	later    []func() // to be called once mu is free
	closed   bool
	closeErr error
	known    bool             // etcd has let this source in
	asking   map[string]bool  // the members that are being asked for their version
	verified map[string]bool  // those whose version will do
	tooOld   map[string]error // those that are too old

	session *session // on which new claims hang; nil: there is none
	opening bool     // one is being opened
	pending []op     // what the next transactions carry, in order
	flights int      // goroutines that send transactions

	held    map[*claim]struct{} // granted or taken
	unmoved []*claim            // abandoned, and not on a lease of their own yet
	moving  bool                // somebody moves them
	timer   *time.Timer
	armed   time.Time // when the timer fires; zero: it does not run
}

// NewSource returns a source of the given limits on the cluster that client is
// connected to. It checks its arguments and asks nothing of etcd. The caller owns the
// client, and closes it after the source.
func NewSource(client *clientv3.Client, limits slot.Limits, opts ...Option) (*Source, error) {
	cfg, err := newConfig(opts)
	if client == nil {
		err = errors.Join(errors.New("the client is nil (has clientv3.New returned an error?)"), err)
	}
	if err = errors.Join(err, checkLimits(limits)); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s := &Source{
		client: client, limits: limits, cfg: cfg,
		gone: make(chan struct{}), held: make(map[*claim]struct{}),
		asking: make(map[string]bool), verified: make(map[string]bool), tooOld: make(map[string]error),
	}
	// A member that has no leader says so at once instead of keeping the request.
	s.ctx, s.end = context.WithCancel(clientv3.WithRequireLeader(context.Background()))
	return s, nil
}

// Format names the source, whatever the verb.
func (s *Source) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "etcd source of %s", s.endpoints())
}

// endpoints returns where the cluster is, for people.
func (s *Source) endpoints() string { return strings.Join(s.client.Endpoints(), ", ") }

// Enqueue takes a place in the line of key, or a slot if one is free, in one round
// trip; three more open the session when there is none. Claims that are made at the
// same time share a request. When ctx ends first, the place is given up.
// While etcd cannot be reached it returns slot.ErrUnavailable, after twice the request
// timeout at the latest (see [WithRequestTimeout]).
//
// A slot that is granted goes back when its lease would have ended, unless Slot or
// Wait has returned it by then; Wait then returns slot.ErrUnavailable.
func (s *Source) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return s.enqueue(ctx, s.limits, key)
}

func (s *Source) enqueue(ctx context.Context, limits slot.Limits, key string) (slot.Ticket, error) {
	c, err := s.begin(ctx, limits, key, nil)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.placed:
	case <-ctx.Done():
		s.giveUp(c, context.Cause(ctx), "claim")
	}
	s.lock()
	defer s.unlock()
	if c.state == stateDone {
		return nil, c.err
	}
	return (*ticket)(c), nil
}

// Try claims a slot of key if one is free now. It takes one round trip where none is
// and two where one is, and opens no session for nothing.
func (s *Source) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	return s.try(ctx, s.limits, key)
}

func (s *Source) try(ctx context.Context, limits slot.Limits, key string) (slot.Slot, bool, error) {
	name, limit, err := s.semaphore(ctx, limits, key)
	if err != nil {
		return nil, false, err
	}
	free, err := s.isFree(ctx, name, limit)
	if !free || err != nil {
		return nil, false, err
	}
	t, err := s.enqueue(ctx, limits, key)
	if err != nil {
		return nil, false, err
	}
	if granted, ok := t.Slot(); ok {
		return granted, true, nil
	}
	return nil, false, t.Close() // somebody was faster
}

// isFree asks whether a claim would be granted now.
func (s *Source) isFree(ctx context.Context, name string, limit int) (bool, error) {
	within, cancel := s.request(ctx)
	defer cancel()
	prefix := s.cfg.keys.line(name)
	r, err := s.client.Get(within, prefix, lookAtLine()...)
	if err != nil {
		return false, s.wrap("claim", name, s.reason(ctx, within, err))
	}
	_, free := tailOf(prefix, (*pb.RangeResponse)(r)).join(limit)
	return free, nil
}

// request returns a context for a request that a caller waits for.
func (s *Source) request(ctx context.Context) (context.Context, context.CancelFunc) {
	within, cancel := s.cfg.within(clientv3.WithRequireLeader(ctx))
	stop := context.AfterFunc(s.ctx, cancel)
	return within, func() { stop(); cancel() }
}

// reason says why a request failed that was made in within for a caller with ctx.
func (s *Source) reason(ctx, within context.Context, err error) error {
	switch {
	case s.ctx.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	s.lock()
	defer s.unlock()
	return failed(within, err, s.known).err
}

// Join claims a slot of key for c, which is told what becomes of the claim. It
// returns at once.
func (s *Source) Join(ctx context.Context, key string, c slot.Claimant) (slot.Place, error) {
	if c == nil {
		return nil, s.wrap("claim", key, errs.Permanently(errors.New("Join needs a claimant")))
	}
	cl, err := s.begin(ctx, s.limits, key, c)
	if err != nil {
		return nil, err
	}
	return (*joined)(cl), nil
}

// Limit returns the number of slots of key. With slot.LimitBy its function is asked.
func (s *Source) Limit(key string) (int, bool) {
	name, n, err := s.limits.Of(key)
	return n, err == nil && checkClaim(name, n) == nil
}

// semaphore returns the name of the semaphore that key means, and its limit.
func (s *Source) semaphore(ctx context.Context, limits slot.Limits, key string) (name string, limit int, err error) {
	if ctx.Err() != nil {
		return "", 0, s.wrap("claim", key, context.Cause(ctx))
	}
	if name, limit, err = limits.Of(key); err == nil {
		err = checkClaim(name, limit)
	}
	if err != nil {
		return "", 0, &Error{Engine: engine, Op: "claim", Key: key, Err: err}
	}
	s.lock()
	defer s.unlock()
	switch {
	case s.closed:
		err = s.wrap("claim", name, ErrClosed)
	case s.session != nil && len(s.tooOld) > 0: // without one, opening it asks again
		if refusal := s.refusal(); refusal != nil {
			err = s.wrap("claim", name, refusal)
		}
	}
	return name, limit, err
}

// begin makes a claim and has it sent.
func (s *Source) begin(ctx context.Context, limits slot.Limits, key string, to slot.Claimant) (*claim, error) {
	name, limit, err := s.semaphore(ctx, limits, key)
	if err != nil {
		return nil, err
	}
	c := &claim{src: s, key: key, name: name, limit: limit, trace: slot.TraceFrom(ctx), to: to, asked: time.Now()}
	if to == nil {
		c.placed, c.settled = make(chan struct{}), make(chan struct{})
	}
	s.lock()
	defer s.unlock()
	if s.closed {
		return nil, s.wrap("claim", name, ErrClosed)
	}
	s.push(op{claim: c})
	return c, nil
}

// wrap says what failed.
func (s *Source) wrap(what, name string, err error) error {
	return &Error{Engine: engine, Op: what, Key: name, Server: s.endpoints(), Err: err}
}

func (s *Source) lock() { s.mu.Lock() }

// unlock frees mu and does what was left for then.
func (s *Source) unlock() {
	later := s.later
	s.later = nil
	s.mu.Unlock()
	for _, f := range later {
		f()
	}
}

// spawn starts a goroutine of the source, unless it is closed. Caller holds mu.
func (s *Source) spawn(f func()) {
	if !s.closed {
		s.tasks.Go(f)
	}
}

// after calls f in a while, unless the source is closed before. Caller holds mu.
func (s *Source) after(d time.Duration, f func()) {
	s.spawn(func() {
		if sleep(s.ctx, d) {
			f()
		}
	})
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
