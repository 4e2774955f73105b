package server

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
)

// maxStatsKeys is how many keys stats lists. The totals count all.
const maxStatsKeys = 4096

// figures counts what the lock table does not see.
type figures struct {
	Accepted, Refused, AuthFailures uint64
	RefusedByAddress                uint64 // of Refused
}

// Stats is one consistent snapshot of a server.
type Stats struct {
	// Connections is how many there are now.
	Connections int `json:"connections"`
	// Locks and Semaphores describe keys that are held or waited for, those
	// of limit 1 and the others, sorted, at most 4,096 in all.
	Locks      []LockStats      `json:"locks"`
	Semaphores []SemaphoreStats `json:"semaphores"`
	// IdleLocks and IdleSemaphores are always empty: a key that nobody holds
	// and nobody waits for does not exist. Official clients expect them.
	IdleLocks      []struct{} `json:"idle_locks"`
	IdleSemaphores []struct{} `json:"idle_semaphores"`
	// Truncated says that there are more keys than are listed.
	Truncated bool `json:"truncated"`
	// Keys, Held, Waiting and Draining describe the server as a whole.
	Keys     int  `json:"keys"`
	Held     int  `json:"held"`
	Waiting  int  `json:"waiting"`
	Draining bool `json:"draining"`
	// Since the server started: connections accepted and refused by a limit,
	// failed authentications, grants, releases, leases that ran out, and
	// requests that timed out.
	Accepted     uint64 `json:"accepted"`
	Refused      uint64 `json:"refused"`
	AuthFailures uint64 `json:"auth_failures"`
	Grants       uint64 `json:"grants"`
	Releases     uint64 `json:"releases"`
	Expiries     uint64 `json:"expiries"`
	Timeouts     uint64 `json:"timeouts"`
}

// LockStats describes a key of limit 1.
type LockStats struct {
	Key string `json:"key"`
	// Owner is the number of the holder's connection; 0 if nobody holds it or
	// the connection is gone.
	Owner uint64 `json:"owner_conn_id"`
	// LeaseLeft is what is left of the holder's lease, in seconds.
	LeaseLeft float64 `json:"lease_expires_in_s"`
	Waiters   int     `json:"waiters"`
}

// SemaphoreStats describes a key of a limit over 1, or of several.
type SemaphoreStats struct {
	Key string `json:"key"`
	// Limit is that of all claims. Where they have different ones it is what the
	// next grant is judged by: the smallest of those who hold and of the first in
	// line.
	Limit   int64 `json:"limit"`
	Holders int64 `json:"holders"`
	Waiters int   `json:"waiters"`
}

// Stats returns what the server holds. It does not stop the server for longer
// than it takes to copy 4,096 keys.
func (s *Server) Stats() Stats {
	keys, totals := s.hub.stats()
	st := Stats{
		Locks:          []LockStats{},
		Semaphores:     []SemaphoreStats{},
		IdleLocks:      []struct{}{},
		IdleSemaphores: []struct{}{},
		Truncated:      totals.Keys > len(keys),
		Keys:           totals.Keys,
		Held:           totals.Held,
		Waiting:        totals.Waiting,
		Grants:         totals.Grants,
		Releases:       totals.Releases,
		Expiries:       totals.Expiries,
		Timeouts:       totals.Timeouts,
	}
	slices.SortFunc(keys, func(a, b locktable.KeyInfo) int { return cmp.Compare(a.Key, b.Key) })
	for _, k := range keys {
		if k.Limit == 1 && !k.Mixed {
			st.Locks = append(st.Locks, LockStats{k.Key, k.Owner, seconds(k.Left), k.Waiters})
		} else {
			st.Semaphores = append(st.Semaphores, SemaphoreStats{k.Key, k.Limit, k.Holders, k.Waiters})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Connections = len(s.conns)
	st.Draining = s.stopping
	st.Accepted, st.Refused, st.AuthFailures = s.figures.Accepted, s.figures.Refused, s.figures.AuthFailures
	return st
}

// seconds returns d with three decimals, as much as anybody reads.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// stats copies from the table; sorting and printing are done without the lock.
func (h *hub) stats() ([]locktable.KeyInfo, locktable.Totals) {
	keys := make([]locktable.KeyInfo, 0, 64)
	h.mu.Lock()
	now := h.now()
	keys = h.table.Keys(now, keys, maxStatsKeys)
	totals := h.table.Totals()
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	return keys, totals
}

// statsJSON returns the text of a reply to stats.
func (s *Server) statsJSON() string {
	b, err := json.Marshal(s.Stats())
	if err != nil {
		panic("bug: stats do not marshal: " + err.Error())
	}
	return string(b)
}

func (s *Server) countAuthFailure() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures.AuthFailures++
}
