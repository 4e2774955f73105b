package server

import (
	"encoding/json"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

// maxListed is how many holders, and how many waiters, inspect lists.
const maxListed = 1000

// keyState is the answer to inspect. DIFFERENCES.md has it for clients.
type keyState struct {
	Key     string       `json:"key"`
	Held    int          `json:"held"`
	Waiting int          `json:"waiting"`
	Paused  int64        `json:"paused_ms"`
	Holders []holderInfo `json:"holders"`
	Waiters []waiterInfo `json:"waiters"`
}

// holderInfo describes a holder. Times are in milliseconds: since when, and until
// when unless the lease is renewed.
type holderInfo struct {
	Name  string `json:"name,omitempty"`
	ID    string `json:"id"`
	Limit int64  `json:"limit"`
	Since int64  `json:"since_ms"`
	Left  int64  `json:"left_ms"`
}

type waiterInfo struct {
	Name  string `json:"name,omitempty"`
	Limit int64  `json:"limit"`
	Since int64  `json:"since_ms"`
}

// inspect returns the text of a reply to inspect. The state is copied under the
// lock, and written down without it.
func (h *hub) inspect(key []byte) string {
	h.mu.Lock()
	now := h.now()
	state := h.table.Inspect(now, key, maxListed)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	return describe(string(key), state)
}

func describe(key string, s locktable.KeyState) string {
	out := keyState{Key: key, Held: s.Held, Waiting: s.Waiting, Paused: ms(s.Paused), Holders: []holderInfo{}, Waiters: []waiterInfo{}}
	for _, cl := range s.Holders {
		out.Holders = append(out.Holders, holderInfo{cl.Name, wire.FormatID(cl.Fence), cl.Limit, ms(cl.Since), ms(cl.Left)})
	}
	for _, cl := range s.Waiters {
		out.Waiters = append(out.Waiters, waiterInfo{cl.Name, cl.Limit, ms(cl.Since)})
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("bug: the state of a key does not marshal: " + err.Error())
	}
	return string(text)
}

// ms returns d in milliseconds, rounded up: what is over is over then.
func ms(d time.Duration) int64 { return max(0, int64((d+time.Millisecond-1)/time.Millisecond)) }
