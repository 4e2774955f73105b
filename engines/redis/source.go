package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

// longestName is how many bytes the name of a semaphore has at most.
const longestName = 256

var (
	_ slot.Source  = (*Source)(nil)
	_ slot.Trier   = (*Source)(nil)
	_ slot.Limiter = (*Source)(nil)
	_ slot.Joiner  = (*Source)(nil)
)

// A Source claims slots that Redis keeps. It is safe for concurrent use.
//
// It has a goroutine that renews, one that hears of grants, over a subscription of its
// own, and a few that send requests while there are some; none for a claim.
type Source struct {
	cfg     *config
	client  goredis.UniversalClient
	server  string // for errors
	limits  slot.Limits
	session string // what the engine knows this source by
	channel string // on which it hears of grants
	pace    lease.Pace
	lanes   []*lane // fixed; what they have is guarded by mu

	accepted atomic.Bool // the engine has carried out a request

	ctx   context.Context // ends when the source is closed
	stop  context.CancelFunc
	wake  chan struct{} // for the goroutine that renews: there is something to do
	gone  chan struct{} // closed when nothing of the source runs any more
	tasks sync.WaitGroup

	// mu guards what follows, and all claims and lines. Neither the client nor a
	// function of somebody else is called while it is held: what is to be called is
	// gathered in effects, and unlock calls it.
	mu         sync.Mutex
	effects    []func()
	claims     map[string]*claim // that are not done, by ID
	lines      map[string]*line  // that claims refer to, by name
	number     uint64            // of the last claim
	awake      time.Time         // when the goroutine that renews wakes by itself
	nextLook   time.Time         // when it looks at all claims
	hurry      bool              // what waits is to be renewed at once
	owed       []*op             // did not get through, and is to be sent again
	returning  int               // slots that were released, and are about to be given back
	closing    bool              // nothing is claimed any more
	last       []*claim          // what is to be given back when it closes
	unreturned bool              // something was not taken back when it closed
	durability durability
	drained    chan struct{} // closed when closing has nothing to send any more
}

// NewSource returns a source of the given limits whose slots client's Redis keeps. It
// checks what it is given and does not ask Redis anything; see [Source.Ping].
//
// The client is the caller's: close the source first, then the client. It may be that
// of a single server, of Sentinel ([goredis.NewFailoverClient]) or of a Cluster.
func NewSource(client goredis.UniversalClient, limits slot.Limits, opts ...Option) (*Source, error) {
	cfg, err := newConfig(opts)
	if err == nil {
		err = checkClient(client)
	}
	if err == nil {
		err = cfg.checkDurableClient(client)
	}
	if err == nil {
		err = limits.Check()
	}
	if name, ok := limits.Name(); ok && err == nil {
		err = checkName(name)
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	s := &Source{
		cfg: cfg, client: client, server: serverOf(client), limits: limits,
		session: rand.Text(), pace: lease.Pace{Ratio: 1, Longest: longestBeat},
		wake: make(chan struct{}, 1), gone: make(chan struct{}), drained: make(chan struct{}),
		lanes:  newLanes(client),
		claims: map[string]*claim{}, lines: map[string]*line{},
	}
	s.channel = cfg.prefix + "granted:"
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.tasks.Go(s.renew)
	s.tasks.Go(s.listen)
	return s, nil
}

func checkClient(client goredis.UniversalClient) error {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("the client is nil")
	}
	if _, ring := client.(*goredis.Ring); ring {
		return errors.New("a Ring is several servers that know nothing of each other, and a grant on one is not heard of on another: use a client of one server, of Sentinel or of a Cluster")
	}
	return nil
}

// checkName returns why a semaphore cannot have this name.
func checkName(name string) error {
	reason := ""
	switch {
	case len(name) > longestName:
		reason = fmt.Sprintf("has %d bytes, more than %d", len(name), longestName)
	case !utf8.ValidString(name):
		reason = "is not valid UTF-8"
	case strings.ContainsAny(name, "{}"):
		reason = "has a brace: Redis Cluster places keys by those"
	case strings.ContainsFunc(name, unicode.IsControl):
		reason = "has a control character"
	default:
		return nil
	}
	if len(name) > longestName {
		name = strings.ToValidUTF8(name[:longestName], "") + "…"
	}
	return errs.Permanently(errs.InWords(fmt.Sprintf("the key %q %s", name, reason), slot.ErrKey))
}

// Format names the source, whatever the verb: what it has is used by others meanwhile.
func (s *Source) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "redis source of %s", s.server) }

// Limit returns the number of slots of key, which is known without Redis.
func (s *Source) Limit(key string) (int, bool) {
	name, n, err := s.limits.Of(key)
	return n, err == nil && checkName(name) == nil
}

// Enqueue takes a place in the line of key, or a slot if one is free, in one round
// trip. It shares requests with whoever claims at the same time.
//
// A slot that is granted is renewed once Slot or Wait has returned it. Until then its
// lease runs down, and the slot goes back in time; Wait then returns
// slot.ErrUnavailable.
func (s *Source) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return s.enqueue(ctx, key, gcra.Pace{})
}

func (s *Source) enqueue(ctx context.Context, key string, pace gcra.Pace) (slot.Ticket, error) {
	c, err := s.claim(ctx, key, pace, false)
	if err != nil {
		return nil, err
	}
	return (*ticket)(c), nil
}

// Try claims a slot of key if one is free now, in one round trip.
func (s *Source) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	return s.try(ctx, key, gcra.Pace{})
}

func (s *Source) try(ctx context.Context, key string, pace gcra.Pace) (slot.Slot, bool, error) {
	c, err := s.claim(ctx, key, pace, true)
	if errors.Is(err, errNoneFree) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	got, err := c.taken()
	return got, err == nil, err
}

// Join claims a slot of key for to, which is told what becomes of the claim. It does
// not block.
func (s *Source) Join(ctx context.Context, key string, to slot.Claimant) (slot.Place, error) {
	return s.join(ctx, key, gcra.Pace{}, to)
}

func (s *Source) join(ctx context.Context, key string, pace gcra.Pace, to slot.Claimant) (slot.Place, error) {
	if to == nil {
		return nil, s.wrap("claim", key, errs.Permanently(errors.New("Join needs a claimant")))
	}
	c, err := s.newClaim(ctx, key, pace)
	if err != nil {
		return nil, err
	}
	c.to = to
	if err := s.begin(c); err != nil {
		return nil, err
	}
	return (*place)(c), nil
}

// claim begins a claim and waits until the engine has answered.
func (s *Source) claim(ctx context.Context, key string, pace gcra.Pace, once bool) (*claim, error) {
	c, err := s.newClaim(ctx, key, pace)
	if err != nil {
		return nil, err
	}
	c.once = once
	if err := s.begin(c); err != nil {
		return nil, err
	}
	err = c.await(ctx, func() bool { return c.state != asking })
	if err != nil {
		return nil, s.wrap("claim", c.name, err)
	}
	s.lock()
	defer s.unlock()
	if c.state == done {
		return nil, c.err
	}
	return c, nil
}

// newClaim returns a claim that has not begun.
func (s *Source) newClaim(ctx context.Context, key string, pace gcra.Pace) (*claim, error) {
	if ctx.Err() != nil {
		return nil, s.wrap("claim", key, context.Cause(ctx))
	}
	name, limit, err := s.limits.Of(key)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return nil, s.wrap("claim", key, err)
	}
	return &claim{
		src: s, key: key, limit: limit, pace: pace, name: name, trace: slot.TraceFrom(ctx),
		lease: lease.Lease{Length: s.cfg.lease}, signal: make(chan struct{}, 1),
	}, nil
}

// begin asks the engine for the claim.
func (s *Source) begin(c *claim) error {
	s.lock()
	defer s.unlock()
	if s.closing {
		return s.wrap("claim", c.name, slot.ErrClosed)
	}
	s.number++
	c.id = claimID(s.session, s.number, c.limit, c.pace, s.cfg.name)
	c.line = s.lines[c.name]
	if c.line == nil {
		c.line = s.newLine(c.name)
		s.lines[c.name] = c.line
	}
	c.line.claims++
	if len(s.claims) == 0 {
		s.rouse()
	}
	s.claims[c.id] = c
	c.asked = time.Now()
	s.post(&op{kind: opClaim, line: c.line, claim: c})
	return nil
}

// forget has a claim that is done remembered no more. Caller holds mu.
func (s *Source) forget(c *claim) {
	delete(s.claims, c.id)
	if c.line.claims--; c.line.claims == 0 {
		delete(s.lines, c.line.name)
	}
}

// await waits until is reports true, which it does at the latest when the claim is done. When
// ctx ends first the claim is given up.
func (c *claim) await(ctx context.Context, is func() bool) error {
	for {
		if c.check(is) {
			return nil
		}
		select {
		case <-c.signal:
		case <-ctx.Done():
			// The claim may have been settled since: then it is given back.
			cause := context.Cause(ctx)
			c.leave(cause)
			return cause
		}
	}
}

// check reports whether is does, and has the next one who waits look too.
func (c *claim) check(is func() bool) bool {
	c.src.lock()
	defer c.src.unlock()
	if !is() {
		return false
	}
	if c.settled() {
		c.wake()
	}
	return true
}

// leave gives the claim up, unless its claimant has the slot.
func (c *claim) leave(cause error) {
	c.src.lock()
	defer c.src.unlock()
	c.giveUp(cause)
}

func (s *Source) lock() { s.mu.Lock() }

// unlock calls what was gathered while mu was held.
func (s *Source) unlock() {
	effects := s.effects
	s.effects = nil
	s.mu.Unlock()
	for _, effect := range effects {
		effect()
	}
}

// later has f called once mu is free. Caller holds mu.
func (s *Source) later(f func()) { s.effects = append(s.effects, f) }

// rouse wakes the goroutine that renews.
func (s *Source) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
