package server

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

// maxPause is how long a client that is no administrator may pause a key.
const maxPause = time.Minute

// control does a pause or a revoke, for those who may.
func (c *conn) control(now time.Duration, r *wire.Request, key []byte) wire.Status {
	d := time.Duration(r.Millis) * time.Millisecond
	res := c.srv.hub.control(func(t *locktable.Table) locktable.Result {
		switch {
		case c.gone:
			return locktable.Result{Status: wire.Error}
		case !c.admin && (r.Command == wire.Revoke || d == 0 || d > maxPause || !t.Concerned(now, &c.lc, key, r.Token)):
			return locktable.Result{Status: wire.ErrorNotAllowed}
		case r.Command == wire.Revoke:
			return t.Revoke(now, key, r.ID)
		case d == 0:
			return t.EndPause(now, key)
		default:
			return t.Pause(now, key, d)
		}
	}, now)
	if res.Status == wire.OK {
		c.logControl(r, key, d)
	}
	return res.Status
}

// logControl says all that administrators do, and of others what they do now and
// then.
func (c *conn) logControl(r *wire.Request, key []byte, d time.Duration) {
	log := c.srv.log.debug
	if c.admin {
		log = c.srv.log.info
	}
	args := []any{"command", r.Command.String(), "key", string(key), "peer", c.ip, "conn", c.lc.ID}
	if r.Command == wire.Pause {
		args = append(args, "for", d)
	} else {
		args = append(args, "id", wire.FormatID(r.ID))
	}
	log("asked to step in", args...)
}

// control does something to the table that is no claim.
func (h *hub) control(f func(*locktable.Table) locktable.Result, now time.Duration) locktable.Result {
	h.mu.Lock()
	res := f(h.table)
	h.answered.add(res)
	wake := h.settleLocked(now)
	h.mu.Unlock()
	runAll(wake)
	return res
}
