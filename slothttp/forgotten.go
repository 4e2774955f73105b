package slothttp

import (
	"errors"

	"github.com/berth-go/berth/internal/rarely"
)

// errForgotten ends the request whose response nobody has any more.
var errForgotten = errors.New("slothttp: the response's body was neither read to its end nor closed")

// forget is called when the garbage collector has found that. It does not block.
func (h *holding) forget() { h.ctx.Cancel(errForgotten) }

// forgotten is shared by all transports: each has no other word of it.
var forgotten rarely.Logger

func sayForgotten(key string) {
	forgotten.Warn("slothttp: the body of a response was neither read to its end nor closed. "+
		"It kept a slot and a connection until the garbage collector found it: close bodies", "key", key)
}
