package check

import (
	"cmp"
	"slices"
	"time"
)

// A Claim is what its owner saw of one claim.
type Claim struct {
	Key, ID  string
	Sent     time.Time // before the claim was sent
	Answered time.Time // when the answer that it is in line, or granted, was read
	Granted  time.Time // when the grant was read; zero if it never was
	Left     bool      // gave up its place, or lost it
}

// An Overtaking is a pair of claims of one key of which the later was granted
// first.
type Overtaking struct{ First, Overtaker Claim }

// OutOfOrder returns the claims that were granted before another of the same
// key that was in line before they were sent and stayed in line. A claim that
// was never granted although a later one was counts as overtaken.
func OutOfOrder(claims []Claim) []Overtaking {
	byKey := map[string][]Claim{}
	for _, c := range claims {
		byKey[c.Key] = append(byKey[c.Key], c)
	}
	var found []Overtaking
	for _, cs := range byKey {
		found = append(found, overtakings(cs)...)
	}
	slices.SortFunc(found, func(a, b Overtaking) int {
		return cmp.Or(cmp.Compare(a.First.Key, b.First.Key), a.First.Sent.Compare(b.First.Sent))
	})
	return found
}

func overtakings(cs []Claim) []Overtaking {
	var found []Overtaking
	for _, first := range cs {
		if first.Left || first.Answered.IsZero() {
			continue
		}
		for _, later := range cs {
			behind := first.Answered.Before(later.Sent)
			if behind && !later.Granted.IsZero() && (first.Granted.IsZero() || later.Granted.Before(first.Granted)) {
				found = append(found, Overtaking{first, later})
			}
		}
	}
	return found
}
