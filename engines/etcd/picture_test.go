package etcd

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// A storedLine is a line in a store that is too simple to be wrong.
type storedLine struct {
	random  *rand.Rand
	rev     int64
	keys    map[string]place
	paused  bool
	history []change
}

// step changes some keys in one revision.
func (s *storedLine) step() {
	s.rev++
	for range 1 + s.random.IntN(3) {
		id := string('a' + byte(s.random.IntN(8)))
		if slices.ContainsFunc(s.history, func(c change) bool { return c.rev == s.rev && c.id == id }) {
			continue
		}
		p, there := s.keys[id]
		switch roll := s.random.IntN(10); {
		case roll == 0 && !s.touchedPause():
			s.paused = !s.paused
			s.history = append(s.history, change{pause: true, removed: !s.paused, rev: s.rev})
		case roll < 5 && there:
			delete(s.keys, id)
			s.history = append(s.history, change{place: place{id: id}, removed: true, rev: s.rev})
		case roll < 6 && there:
			p.lease++
			s.keys[id] = p
			s.history = append(s.history, change{place: p, rev: s.rev})
		case !there:
			p = place{id: id, limit: 1 + s.random.IntN(3), created: s.rev, lease: 1}
			s.keys[id] = p
			s.history = append(s.history, change{place: p, rev: s.rev})
		}
	}
}

func (s *storedLine) touchedPause() bool {
	return slices.ContainsFunc(s.history, func(c change) bool { return c.rev == s.rev && c.pause })
}

func (s *storedLine) places() (all []place) {
	for _, p := range s.keys {
		all = append(all, p)
	}
	return all
}

// The picture is read at some revision and told of changes from an earlier one on,
// in parts, as a watch does that began before the line was read.
func TestAPictureIsWhatIsInLine(t *testing.T) {
	seed := faultnet.Seed(t)
	for i := range uint64(500) {
		s := &storedLine{random: rand.New(rand.NewPCG(seed, i)), keys: map[string]place{}}
		for range s.random.IntN(20) {
			s.step()
		}
		watched := len(s.history)
		for range s.random.IntN(5) {
			s.step()
		}
		var p picture
		p.load(s.rev, s.places(), s.paused)
		for range 20 {
			for range s.random.IntN(4) {
				s.step()
			}
			news := s.history[watched:]
			watched = len(s.history)
			before := slices.Clone(p.places)
			seen := p.rev
			touched := p.apply(news)
			compare(t, s, &p)
			require.ElementsMatch(t, touchedBy(before, seen, news), slices.Compact(slices.Sorted(slices.Values(touched))))
		}
	}
}

// touchedBy returns the keys of places that were there and are gone or changed.
func touchedBy(before []place, seen int64, news []change) (ids []string) {
	for _, p := range before {
		if slices.ContainsFunc(news, func(c change) bool { return c.rev > seen && !c.pause && c.id == p.id }) {
			ids = append(ids, p.id)
		}
	}
	// Those that came and went, or changed, in between.
	for i, c := range news {
		if c.pause || c.removed || c.rev <= seen || slices.Contains(ids, c.id) {
			continue
		}
		if slices.ContainsFunc(news[i+1:], func(d change) bool { return !d.pause && d.id == c.id }) {
			ids = append(ids, c.id)
		}
	}
	return ids
}

func compare(t *testing.T, s *storedLine, p *picture) {
	t.Helper()
	want := s.places()
	slices.SortFunc(want, func(a, b place) int {
		if a.created != b.created {
			return int(a.created - b.created)
		}
		return strings.Compare(a.id, b.id)
	})
	require.Equal(t, len(want), len(p.places))
	require.Len(t, p.at, len(want))
	newest := int64(0)
	for i, w := range want {
		require.Equal(t, w, p.places[i])
		got, ok := p.find(w.id)
		require.True(t, ok)
		require.Equal(t, w, got)
		newest = max(newest, w.created)
	}
	require.Equal(t, newest, p.newest())
	require.Equal(t, s.paused, p.paused)
	if s.paused {
		require.Empty(t, p.admitted())
	} else {
		require.Len(t, p.admitted(), admitted(want))
	}
}

func TestAKeyThatCameAnewHasANewPlace(t *testing.T) {
	var p picture
	p.load(3, []place{{id: "a", limit: 1, created: 2}, {id: "b", limit: 1, created: 3}}, false)
	require.Equal(t, []string{"a"}, p.apply([]change{{place: place{id: "a", limit: 1, created: 5}, rev: 5}}), "its removal was not seen")
	require.Equal(t, "b", p.places[0].id)
	_, ok := p.find("c")
	require.False(t, ok)
}
