package dflockd

import (
	"net"
	"time"
)

// What TCP does about a server that has vanished without a word: after 5 s of
// silence it asks, and after 11 s without an answer the connection is broken.
// Most requests have a deadline that is shorter; a wait in line has none.
const (
	silenceAllowed = 5 * time.Second
	silenceProbe   = 2 * time.Second
	silenceProbes  = 3
	silenceLimit   = silenceAllowed + silenceProbes*silenceProbe
)

// newDialer returns the dialer that is used where WithDialer gives none.
func newDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: silenceAllowed, Interval: silenceProbe, Count: silenceProbes,
		},
		// Nothing is asked while a request is not acknowledged, so that needs a
		// limit of its own.
		Control: limitUnacknowledged,
	}
}
