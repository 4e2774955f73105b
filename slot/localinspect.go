package slot

import (
	"context"
	"fmt"
)

// Inspect returns the state of key's semaphore. It does not block. All holders and
// waiters are in this process, and have its [DefaultName].
func (l *Local) Inspect(ctx context.Context, key string) (State, error) {
	if ctx.Err() != nil {
		return State{}, context.Cause(ctx)
	}
	name, _, err := l.of(key)
	if err != nil {
		return State{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return State{}, ErrClosed
	}
	state := State{Name: name, PausedUntil: l.pausedUntilLocked(name)}
	if ln := l.lines[name]; ln != nil {
		l.describe(ln, &state)
	}
	return state, nil
}

// describe copies what there is to see of ln; the caller holds mu.
func (l *Local) describe(ln *line, state *State) {
	state.Held, state.Waiting = ln.holders.len, ln.waiting.Len()
	for s := ln.holders.first; s != nil && len(state.Holders) < MaxListed; s = s.next {
		state.Holders = append(state.Holders, Holder{Name: DefaultName(), ID: holderID(s.id), Limit: s.limit, Since: s.at})
	}
	for e := ln.waiting.Front(); e != nil && len(state.Waiters) < MaxListed; e = e.Next() {
		t := e.Value.(*localTicket)
		state.Waiters = append(state.Waiters, Waiter{Name: DefaultName(), Limit: t.limit, Since: l.start.Add(t.since)})
	}
}

// holderID returns the name of a grant by its number.
func holderID(n uint64) string { return fmt.Sprintf("%016x", n) }
