package slot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

// probeEvery is how often a source that is not available is asked whether it is
// back.
const probeEvery = time.Second

// errBack ends waits in the line of the local share.
var errBack = errors.New("slot: the source is available again")

// outages is what is known of the parts of a source that are not available.
type outages struct {
	src   Source
	after time.Duration   // how long an outage lasts until claims leave the source
	open  context.Context // of probes; ends with ErrClosed at close
	end   context.CancelCauseFunc

	mu     sync.Mutex         // guards what follows; nothing blocks while it is held
	parts  map[string]*outage // by the name of the part
	probes sync.WaitGroup     // probes that run; grows under mu, and not once closed
	closed bool
}

// An outage begins with a claim that finds its part of the source unavailable
// and ends with the first answer of that part.
type outage struct {
	since time.Time
	key   string           // of the claim that failed last; the part is asked for it
	back  *linkctx.Context // ends with errBack when the outage does
	timer *time.Timer      // calls probe
}

func newOutages(src Source, after time.Duration) *outages {
	o := &outages{src: src, after: after, parts: make(map[string]*outage)}
	o.open, o.end = context.WithCancelCause(context.Background())
	return o
}

// away returns a context that ends when the part of key is back, or nil if
// claims go there.
func (o *outages) away(key string) *linkctx.Context {
	part := partitionOf(o.src, key)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.awayLocked(part)
}

func (o *outages) awayLocked(part string) *linkctx.Context {
	if out := o.parts[part]; out != nil && time.Since(out.since) >= o.after {
		return out.back
	}
	return nil
}

// note takes the outcome of a claim for key at the source. It returns a context
// that ends when the part is back if this claim has to leave it.
func (o *outages) note(ctx context.Context, key string, err error) *linkctx.Context {
	part := partitionOf(o.src, key)
	switch {
	case isAnswer(ctx, err):
		o.over(part)
		return nil
	case ctx.Err() == nil && errors.Is(err, ErrUnavailable) && !IsPermanent(err):
		return o.failed(part, key)
	}
	return nil
}

// isAnswer reports whether a claim ended so that the engine must be there. The
// end of the caller's patience says nothing about it, nor does a refusal for good,
// which is most often the source's own: of a key that it cannot use.
func isAnswer(ctx context.Context, err error) bool {
	if err == nil {
		return true
	}
	return ctx.Err() == nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrLost) && !IsPermanent(err)
}

// failed notes that a part is not available.
func (o *outages) failed(part, key string) *linkctx.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.parts[part]
	if out == nil && !o.closed {
		out = &outage{since: time.Now(), back: linkctx.New()}
		out.timer = time.AfterFunc(probeEvery, func() { o.probe(part) })
		o.parts[part] = out
	}
	if out == nil {
		return nil
	}
	out.key = key
	return o.awayLocked(part)
}

// over ends the outage of a part, if there is one.
func (o *outages) over(part string) {
	o.mu.Lock()
	out := o.parts[part]
	delete(o.parts, part)
	o.mu.Unlock()
	if out != nil {
		out.timer.Stop()
		out.back.Cancel(errBack)
	}
}

// probe asks a part whether it is back, and again later if it is not. It is
// called by the timer.
func (o *outages) probe(part string) {
	o.mu.Lock()
	out := o.parts[part]
	if out == nil || o.closed {
		o.mu.Unlock()
		return
	}
	o.probes.Add(1)
	key := out.key
	o.mu.Unlock()
	defer o.probes.Done()
	if isAnswer(o.open, o.ask(key)) {
		o.over(part)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.parts[part] == out && !o.closed {
		out.timer.Reset(probeEvery)
	}
}

// ask makes a claim that nobody needs. A source that panics does so for a
// claimant too, who can be told.
func (o *outages) ask(key string) (err error) {
	defer func() {
		if recover() != nil {
			err = ErrUnavailable
		}
	}()
	s, ok, err := Try(o.open, o.src, key)
	if ok {
		_ = s.Release()
	}
	return err
}

// close ends the probes and waits for the one that runs.
func (o *outages) close() {
	o.end(ErrClosed)
	o.mu.Lock()
	o.closed = true
	for _, out := range o.parts {
		out.timer.Stop()
	}
	o.mu.Unlock()
	o.probes.Wait()
}
