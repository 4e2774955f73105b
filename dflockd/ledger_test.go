package dflockd

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// ledger is a server with one semaphore that behaves like an original one and
// keeps account of its slots: they go back when they are released and when
// the connection closes.
type ledger struct {
	*peer
	limit int
	keeps bool // what a closed connection had stays its own, as on a strict server

	mu      sync.Mutex
	held    map[string]int // token → connection
	got     map[int]string // connection → the token that an enqueue was granted, until its wait
	line    []place
	granted int
	most    int
}

type place struct {
	from  int
	waits bool
}

func newLedger(t *testing.T, limit int) *ledger {
	l := &ledger{limit: limit, held: map[string]int{}, got: map[int]string{}}
	l.peer = newPeer(t, l.reply)
	l.peer.closed = l.gone
	l.peer.forgets = true
	return l
}

func (l *ledger) reply(from int, r wire.Request) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := len(l.held) < l.limit && len(l.line) == 0
	token := string(r.Token.AppendTo(nil))
	_, known := l.held[token]
	switch {
	case r.Command == wire.SemLock && free:
		return l.grant("ok", from)
	case r.Command == wire.SemLock && r.Timeout > 0:
		l.line = append(l.line, place{from, true})
		return ""
	case r.Command == wire.SemLock:
		return "timeout"
	case r.Command == wire.SemEnqueue && free:
		answer := l.grant("acquired", from)
		l.got[from] = strings.Fields(answer)[1]
		return answer
	case r.Command == wire.SemEnqueue:
		l.line = append(l.line, place{from, false})
		return "queued"
	case r.Command == wire.SemWait:
		return l.wait(from)
	case r.Command == wire.SemRelease && known:
		delete(l.held, token)
		l.serveLine()
		return "ok"
	case r.Command == wire.SemRenew && known:
		return fmt.Sprintf("ok %d", r.Lease)
	}
	return "error"
}

// wait answers an sw, if there is something to say yet. Caller holds mu.
func (l *ledger) wait(from int) string {
	if token, ok := l.got[from]; ok {
		delete(l.got, from)
		return fmt.Sprintf("ok %s 5", token)
	}
	i := slices.IndexFunc(l.line, func(p place) bool { return p.from == from })
	if i < 0 {
		return "error_not_enqueued"
	}
	l.line[i].waits = true
	l.serveLine()
	return ""
}

func (l *ledger) grant(word string, from int) string {
	token := l.token()
	l.held[token] = from
	l.granted++
	l.most = max(l.most, len(l.held))
	return fmt.Sprintf("%s %s 5", word, token)
}

// serveLine gives free slots to the first in line. Caller holds mu.
func (l *ledger) serveLine() {
	for len(l.line) > 0 && l.line[0].waits && len(l.held) < l.limit {
		from := l.line[0].from
		l.line = l.line[1:]
		l.say(from, l.grant("ok", from))
	}
}

// gone frees what a closed connection had.
func (l *ledger) gone(from int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keeps {
		return
	}
	l.line = slices.DeleteFunc(l.line, func(p place) bool { return p.from == from })
	for token, owner := range l.held {
		if owner == from {
			delete(l.held, token)
		}
	}
	l.serveLine()
}

// state returns how many slots are held and how many wait in line.
func (l *ledger) state() (held, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held), len(l.line)
}

// peak returns the most slots that were held at once.
func (l *ledger) peak() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most
}
