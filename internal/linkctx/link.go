package linkctx

// A link is the place of one Context among those that are joined to another. It
// is guarded by the mu of that other.
type link struct {
	to         *Context // the one that is joined
	at         *Context // the one that it ends with
	prev, next *link
}

// join has child end with c. It returns false if c has ended.
func (c *Context) join(child *Context) bool {
	l := child.newLink(c)
	if !c.put(l) {
		return false
	}
	child.mu.Lock()
	closed := child.closed
	child.mu.Unlock()
	if closed {
		c.take(l) // it has ended in between
	}
	return true
}

// newLink returns a link for a Context that is being made.
func (c *Context) newLink(at *Context) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.first
	if l.at != nil {
		l = &link{}
		c.links = append(c.links, l)
	}
	l.to, l.at = c, at
	return l
}

func (c *Context) put(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if l.next = c.joined; l.next != nil {
		l.next.prev = l
	}
	c.joined = l
	return true
}

// take forgets a link, if it is there and c has not forgotten all of them.
func (c *Context) take(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return
	case l.prev != nil:
		l.prev.next = l.next
	case c.joined == l:
		c.joined = l.next
	default:
		return
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
}

// close lets nobody join any more, and returns those that have.
func (c *Context) close() []*Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	var joined []*Context
	for l := c.joined; l != nil; l = l.next {
		joined = append(joined, l.to)
	}
	c.closed, c.joined = true, nil
	return joined
}

// unlink follows nobody any more. It is called after close.
func (c *Context) unlink() {
	c.mu.Lock()
	first, links, stops := c.first.at, c.links, c.stops
	c.links, c.stops = nil, nil
	c.mu.Unlock()
	if first != nil {
		first.take(&c.first)
	}
	for _, l := range links {
		l.at.take(l)
	}
	for _, stop := range stops {
		stop()
	}
}
