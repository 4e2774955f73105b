package etcd

import "slices"

// A picture is a line as a source has seen it: read once, then kept up to date by
// the changes that it is told of.
//
// Invariant: places are sorted, and are those that were in line at revision rev.
type picture struct {
	rev    int64 // 0: nothing was read yet
	places []place
	at     map[string]int64 // the revision of each place's creation, by its key
	paused bool
}

// A change is what happened to one key of a line.
type change struct {
	place
	pause   bool  // it is the key of a pause, and no place
	removed bool  // it is gone; otherwise it is there as place says
	rev     int64 // when it happened
}

// load replaces the picture by one of revision rev.
func (p *picture) load(rev int64, places []place, paused bool) {
	p.rev, p.places, p.paused = rev, places, paused
	p.at = make(map[string]int64, len(places))
	slices.SortFunc(p.places, order)
	for _, pl := range p.places {
		p.at[pl.id] = pl.created
	}
}

func order(a, b place) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// apply changes the picture, and returns the keys of places that have gone or hang
// on another lease now. Changes that it has seen are left out.
func (p *picture) apply(changes []change) (touched []string) {
	from := p.rev // several changes share a revision
	for _, c := range changes {
		if c.rev <= from {
			continue
		}
		p.rev = max(p.rev, c.rev)
		switch {
		case c.pause:
			p.paused = !c.removed
		case c.removed:
			if p.remove(c.id) {
				touched = append(touched, c.id)
			}
		case p.put(c.place):
			touched = append(touched, c.id)
		}
	}
	return touched
}

// remove reports whether the place was there.
func (p *picture) remove(id string) bool {
	i, ok := p.index(id)
	if ok {
		p.places = slices.Delete(p.places, i, i+1)
		delete(p.at, id)
	}
	return ok
}

// put adds a place, or reports that one that was there has changed.
func (p *picture) put(pl place) (changed bool) {
	if i, ok := p.index(pl.id); ok {
		if p.places[i].created == pl.created {
			p.places[i] = pl
			return true
		}
		p.remove(pl.id) // its removal was not seen
		changed = true
	}
	i, _ := slices.BinarySearchFunc(p.places, pl, order)
	p.places = slices.Insert(p.places, i, pl)
	p.at[pl.id] = pl.created
	return changed
}

func (p *picture) index(id string) (int, bool) {
	created, ok := p.at[id]
	if !ok {
		return 0, false
	}
	return slices.BinarySearchFunc(p.places, place{id: id, created: created}, order)
}

// find returns the place with this key.
func (p *picture) find(id string) (place, bool) {
	i, ok := p.index(id)
	if !ok {
		return place{}, false
	}
	return p.places[i], true
}

// admitted returns the places at the front that hold slots.
func (p *picture) admitted() []place {
	if p.paused {
		return nil
	}
	return p.places[:admitted(p.places)]
}

// newest returns the revision at which the last in line came, and 0 of an empty line.
func (p *picture) newest() int64 {
	if len(p.places) == 0 {
		return 0
	}
	return p.places[len(p.places)-1].created
}
