package slot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

// A localSlot is one slot of a line. Its context decides how it ended: whoever
// ends that first, Release or Close.
type localSlot struct {
	src    *Local
	line   *line
	key    string
	limit  int
	queued bool
	at     time.Time // of the grant
	id     uint64    // of the grant
	ctx    linkctx.Context
	once   sync.Once
	err    error // what Release returns; written inside once

	prev, next *localSlot // of line.holders; guarded by src.mu
}

// tell tells the trace of a claim of its grant. If that panics, nobody has the
// slot.
func (s *localSlot) tell(trace *Trace) {
	told := false
	defer func() {
		if !told {
			_ = s.Release()
		}
	}()
	trace.granted(s.at)
	told = true
}

func (s *localSlot) Context() context.Context { return &s.ctx }

func (s *localSlot) Info() Info {
	return Info{
		Key: s.key, Limit: s.limit, GrantedAt: s.at, ConfirmedAt: s.at, Queued: s.queued, Strict: true,
		PausedUntil: s.src.pausedUntil(s.line.name),
	}
}

func (s *localSlot) Release() error {
	s.once.Do(func() {
		s.ctx.Cancel(ErrReleased) // before anyone else can be granted the slot
		if cause := context.Cause(&s.ctx); !errors.Is(cause, ErrReleased) {
			s.err = cause
		}
		s.src.putBack(s)
	})
	return s.err
}
