package retryafter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/internal/rarely"
	"github.com/berth-go/berth/slot"
)

// Within is how long an engine may take to answer to a pause, where nobody says
// otherwise: whoever asks has a slot meanwhile.
const Within = 2 * time.Second

// Config is what a [Keeper] is made of.
type Config struct {
	// Source is asked for pauses. It should hold slots of the keys, or wait for
	// some: most engines want to see that.
	Source slot.Source
	// Longest is the longest time for which a key is paused by one word of a
	// server, above 0.
	Longest time.Duration
	// Within is how long the engine may take to answer, above 0.
	Within time.Duration
	// Tell is told of each word of a server that makes a pause longer: for how long
	// the key is paused from now on, and why this process alone keeps to it, which
	// is nil if everybody does. Without it, what goes wrong goes to the default
	// logger of package log/slog. It is called without a lock.
	Tell func(key string, d time.Duration, err error)
}

// A Keeper keeps keys paused of which a server said to come back later: in this
// process, by whoever asks [Keeper.Left], and for everybody who claims slots of them,
// where the engine can. It is safe for concurrent use.
type Keeper struct {
	cfg Config

	refused     rarely.Logger
	unsupported sync.Once // says that the engine cannot

	some   atomic.Bool // there are pauses
	mu     sync.Mutex  // guards pauses and what they point to; nothing blocks while it is held
	pauses map[string]*pause
}

// A pause is that of one key.
type pause struct {
	until time.Time
	// asked is until when the engine was asked to pause the key, which may not have
	// answered yet.
	asked time.Time
}

// NewKeeper returns a Keeper without pauses.
func NewKeeper(cfg Config) *Keeper {
	return &Keeper{cfg: cfg, pauses: make(map[string]*pause)}
}

// Idle reports whether there is no pause at all. It costs less than Left.
func (k *Keeper) Idle() bool { return !k.some.Load() }

// Left returns for how long key is paused yet, as far as this process was told; 0: it
// is not.
func (k *Keeper) Left(key string) time.Duration {
	if k.Idle() {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pauses[key]
	if p == nil {
		return 0
	}
	left := time.Until(p.until)
	if left <= 0 {
		k.forget(key)
	}
	return max(left, 0)
}

// Pause pauses key as a server asks for that wants to be left alone for said from
// now on, but not for longer than Longest. It never shortens a pause. It blocks
// until the engine has answered, for Within at most or until ctx ends, when this
// process alone keeps to it; while another call asks for the same it does not block.
func (k *Keeper) Pause(ctx context.Context, key string, said time.Duration) {
	d := min(said, k.cfg.Longest)
	if d <= 0 {
		return
	}
	p, until := k.extend(key, time.Now(), d)
	if p == nil {
		return
	}
	err := k.ask(ctx, key, until)
	if err != nil {
		k.notTaken(p, until)
	}
	k.tell(key, time.Until(until), err)
}

// extend notes a pause and returns it, or nil if the engine knows of it already.
func (k *Keeper) extend(key string, now time.Time, d time.Duration) (p *pause, until time.Time) {
	until = now.Add(d)
	k.mu.Lock()
	defer k.mu.Unlock()
	for other, p := range k.pauses {
		if !now.Before(p.until) {
			k.forget(other)
		}
	}
	if p = k.pauses[key]; p == nil {
		p = &pause{}
		k.pauses[key] = p
		k.some.Store(true)
	}
	if until.After(p.until) {
		p.until = until
	}
	if !until.After(p.asked) {
		return nil, until
	}
	p.asked = until
	return p, until
}

// forget drops a pause; the caller holds mu.
func (k *Keeper) forget(key string) {
	delete(k.pauses, key)
	k.some.Store(len(k.pauses) > 0)
}

// notTaken notes that the engine does not keep a pause, so that the next word of the
// server has it asked again.
func (k *Keeper) notTaken(p *pause, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.asked.Equal(until) {
		p.asked = time.Time{}
	}
}

// ask has the engine pause a key.
func (k *Keeper) ask(ctx context.Context, key string, until time.Time) error {
	late := fmt.Errorf("the engine has not answered within %v", k.cfg.Within)
	ctx, cancel := context.WithTimeoutCause(ctx, k.cfg.Within, late)
	defer cancel()
	return slot.Pause(ctx, k.cfg.Source, key, max(time.Until(until), 1)) // one of 0 would end that of others
}

// tell tells of a pause.
func (k *Keeper) tell(key string, d time.Duration, err error) {
	d = max(d, 0)
	switch {
	case k.cfg.Tell != nil:
		k.cfg.Tell(key, d, err)
	case errors.Is(err, errors.ErrUnsupported):
		k.unsupported.Do(func() {
			slog.Default().Warn("a server asked to come back later, and the engine of the slots cannot pause a key: "+
				"this process keeps to it, and others do not hear of it", "key", key, "for", d, "error", err)
		})
	case err != nil:
		k.refused.Warn("a server asked to come back later, and the engine of the slots did not pause the key: "+
			"this process keeps to it, and others may not", "key", key, "for", d, "error", err)
	}
}
