package lease

import "time"

const (
	// shortestBeat is the shortest time between two renewals, whatever the ratio.
	// A third of a lease of a second is longer.
	shortestBeat = 100 * time.Millisecond
	// longestAnswer is the longest time that a renewal's answer may take.
	longestAnswer = 2 * time.Second
)

// A Pace says when to renew.
type Pace struct {
	Ratio   float64       // of the lease, an upper bound
	Longest time.Duration // the longest time between two renewals, whatever the lease
}

// Beat returns the time from the start of a lease to its renewal.
func (p Pace) Beat(length time.Duration) time.Duration {
	return max(shortestBeat, min(length/3, time.Duration(p.Ratio*float64(length)), p.Longest))
}

// Due returns when the lease is to be renewed.
func (p Pace) Due(l Lease) time.Time { return l.From.Add(p.Beat(l.Length)) }

// Lead returns how much sooner than due a lease may be renewed together with
// others: they share a write.
func (p Pace) Lead(length time.Duration) time.Duration { return p.Beat(length) / 4 }

// Answer returns how long the answer to a renewal may take before the connection
// counts as broken.
func (p Pace) Answer(l Lease) time.Duration {
	return min(longestAnswer, (l.Usable()-p.Beat(l.Length))/2)
}
