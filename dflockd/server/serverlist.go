package server

import (
	"fmt"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

// Where a key lives follows from the order of the list that its clients were
// given. Clients that have this server at different places in lists, or in lists
// of different lengths, look for one key on different servers, and so give its
// slots away twice. They tell where they have it in their hello; official clients
// do not, and are not concerned.

// sameListLocked reports whether c may claim: nobody who has another list waits
// or holds a slot. Invariant: all listed claims are those of clients with h.list,
// unless lists may be mixed.
func (h *hub) sameListLocked(c *conn) bool {
	switch {
	case c.list.None() || c.srv.cfg.mixedLists || c.list == h.list:
	case h.table.Listed() > 0:
		return false
	default:
		h.list = c.list
	}
	return true
}

// claims reports whether a command makes a claim.
func claims(c wire.Command) bool {
	switch c {
	case wire.Lock, wire.SemLock, wire.PacedLock, wire.Enqueue, wire.SemEnqueue, wire.PacedEnqueue:
		return true
	}
	return false
}

// otherList says to c why it may not claim.
func (h *hub) otherList(c *conn) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("this client has the server as number %d of %d, and clients that hold or wait for slots have it as number %d of %d: "+
		"give all clients the same list, or start the server with --allow-mixed-server-lists",
		c.list.Index+1, c.list.Count, h.list.Index+1, h.list.Count)
}

var errOtherList = locktable.Result{Status: wire.ErrorServerList}
