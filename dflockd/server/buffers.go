package server

import "sync"

// keepSize is the largest buffer that is kept for another connection.
const keepSize = 8 << 10

// buffers are what a connection needs while something is in them. Most
// connections wait most of the time, and have none then: they are lent.
type buffers struct {
	in    []byte // read and not yet taken by run
	todo  []byte // taken from in and not yet done
	out   []byte // answers to write
	spare []byte // becomes out
}

// lent is where buffers come from and go back to.
var lent = sync.Pool{New: func() any { return new(buffers) }}

// all returns the four, to be looked at or changed.
func (b *buffers) all() [4]*[]byte { return [...]*[]byte{&b.in, &b.todo, &b.out, &b.spare} }

func (b *buffers) empty() bool { return len(b.in)+len(b.todo)+len(b.out) == 0 }

// giveBack makes empty buffers another connection's, but for what a burst has
// made too large.
func (b *buffers) giveBack() {
	for _, each := range b.all() {
		if *each = (*each)[:0]; cap(*each) > keepSize {
			*each = nil
		}
	}
	lent.Put(b)
}

// take moves what was read to what is to be done.
func (b *buffers) take() {
	if len(b.todo) == 0 {
		b.todo, b.in = b.in, b.todo
		return
	}
	b.todo = append(b.todo, b.in...)
	b.in = b.in[:0]
}
