package locktable

// A Conn is what the table knows of a connection. The zero value is a
// connection without claims; it must not be copied.
type Conn struct {
	// ID is shown in stats.
	ID uint64
	// Name is shown to whoever looks, see Table.Inspect. It does not change once
	// the connection has made a claim.
	Name string
	// Owner is for the caller, who gets the Conn back in events.
	Owner any
	// Listed has the claims that c makes from now on counted, see Table.Listed.
	Listed bool
	// OwnLimits has the claims that c makes from now on bring their own limits:
	// none is refused because others of its key have another one.
	OwnLimits bool

	claims                       claimList
	waiting, held, lost, blocked int // of them; blocked ones wait
	remembered                   int
	places                       map[place]*claim // the remembered ones; nil: they are few

	closed bool
	next   *Conn // in the table's list of those that are cleared
}

// Held returns how many slots c holds.
func (c *Conn) Held() int { return c.held }

// Blocked returns how many of c's claims have somebody waiting for an event.
func (c *Conn) Blocked() int { return c.blocked }

const (
	// manyClaims is with how many claims a connection gets a map of its places;
	// below that, looking at each is as quick.
	manyClaims = 8
	// fewClaims is with how many claims it loses the map again.
	fewClaims = 2
)

// place is how a remembered claim of a connection is found again: by its tag,
// or else by its key.
type place struct {
	key string
	tag uint64
}

func (cl *claim) place() place {
	if cl.tag != 0 {
		return place{tag: cl.tag}
	}
	return place{key: cl.lock.key}
}

func (c *Conn) add(cl *claim) {
	c.claims.add(cl)
	if c.claims.len > manyClaims && c.places == nil {
		c.places = map[place]*claim{}
		for cl := c.claims.first; cl != nil; cl = cl.ownedNext {
			if cl.remembered {
				c.places[cl.place()] = cl
			}
		}
	}
}

func (c *Conn) remove(cl *claim) {
	c.claims.remove(cl)
	if c.claims.len <= fewClaims {
		c.places = nil
	}
}

func (c *Conn) remember(cl *claim) {
	cl.remembered = true
	c.remembered++
	if c.places != nil {
		c.places[cl.place()] = cl
	}
}

func (c *Conn) forget(cl *claim) {
	cl.remembered = false
	c.remembered--
	if c.places != nil {
		delete(c.places, cl.place())
	}
}

// lookup returns the claim that c remembers under this tag, or else this key.
func (c *Conn) lookup(tag uint64, key []byte) *claim {
	switch {
	case c.places != nil && tag != 0:
		return c.places[place{tag: tag}]
	case c.places != nil:
		return c.places[place{key: string(key)}]
	}
	for cl := c.claims.first; cl != nil; cl = cl.ownedNext {
		if cl.remembered && cl.tag == tag && (tag != 0 || cl.lock.key == string(key)) {
			return cl
		}
	}
	return nil
}

// find is lookup for requests that name a place: key and tag must both fit.
func (c *Conn) find(tag uint64, key []byte) *claim {
	if cl := c.lookup(tag, key); cl != nil && cl.lock.key == string(key) {
		return cl
	}
	return nil
}
