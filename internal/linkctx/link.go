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
	l := &link{to: child, at: c}
	if !c.put(l) {
		return false
	}
	child.mu.Lock()
	left := child.left
	if !left {
		child.links = append(child.links, l)
	}
	child.mu.Unlock()
	if left {
		c.take(l) // it has ended in between
	}
	return true
}

func (c *Context) put(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	if l.next = c.joined; l.next != nil {
		l.next.prev = l
	}
	c.joined = l
	return true
}

// take forgets a link, unless c has ended and forgotten all.
func (c *Context) take(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.left:
		return
	case l.prev != nil:
		l.prev.next = l.next
	default:
		c.joined = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
}

// close lets nobody join any more, and returns those that have.
func (c *Context) close() []*Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	var joined []*Context
	for l := c.joined; l != nil; l = l.next {
		joined = append(joined, l.to)
	}
	c.left, c.joined = true, nil
	return joined
}

// unlink follows nobody any more. It is called after close.
func (c *Context) unlink() {
	c.mu.Lock()
	links, stops := c.links, c.stops
	c.links, c.stops = nil, nil
	c.mu.Unlock()
	for _, l := range links {
		l.at.take(l)
	}
	for _, stop := range stops {
		stop()
	}
}
