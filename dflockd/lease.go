package dflockd

import (
	"time"

	"github.com/berth-go/berth/internal/lease"
)

// longestSilence is the longest time between two renewals, and for which a
// connection that has to live says nothing. It stays well under the 23 s after
// which an original server cuts a silent connection.
const longestSilence = 7 * time.Second

// paceFor returns when to renew on a server with that read timeout, which is 0 if
// it is not known.
func paceFor(ratio float64, readTimeout time.Duration) lease.Pace {
	p := lease.Pace{Ratio: ratio, Longest: longestSilence}
	if readTimeout > 0 {
		p.Longest = min(p.Longest, readTimeout/3)
	}
	return p
}
