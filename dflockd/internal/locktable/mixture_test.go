package locktable

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// An asked is what a claim of a small world asks for.
type asked struct {
	limit int64
	own   bool
}

// A lineUp is one key with two clients, one of which brings its own limits, and
// what it should hold: who is live, in the order of the line.
type lineUp struct {
	table    *Table
	official Conn
	own      Conn
	live     []member
	tags     uint64
}

type member struct {
	asked
	tag uint64
}

func newLineUp() *lineUp {
	w := &lineUp{table: New(Config{Random: func() uint64 { return 42 }})}
	w.official.ID, w.own.ID, w.own.OwnLimits = 1, 2, true
	return w
}

func (w *lineUp) conn(own bool) *Conn {
	if own {
		return &w.own
	}
	return &w.official
}

// join claims a slot, and says what is wrong with the answer.
func (w *lineUp) join(a asked) error {
	w.tags++
	r := w.table.Enqueue(0, w.conn(a.own), Claim{Key: []byte("k"), Limit: a.limit, Lease: time.Second, Tag: w.tags})
	mismatch := !a.own && slices.ContainsFunc(w.live, func(m member) bool { return !m.own && m.limit != a.limit })
	if (r.Status == wire.ErrorLimitMismatch) != mismatch {
		return fmt.Errorf("%v answered %v, a mismatch: %t", a, r.Status, mismatch)
	}
	if !mismatch {
		w.live = append(w.live, member{a, w.tags})
	}
	return nil
}

// end ends the i-th live claim, whether it holds a slot or waits.
func (w *lineUp) end(i int) {
	m := w.live[i]
	w.table.Leave(0, w.conn(m.own), Claim{Key: []byte("k"), Tag: m.tag})
	w.live = slices.Delete(w.live, i, i+1)
}

// play does what a history says and checks what it comes to; it ends with nobody
// left. What came before the last step was a history of its own.
func (w *lineUp) play(history []int, kinds []asked) (live int, err error) {
	for _, step := range history {
		if step >= len(kinds) {
			w.end(step - len(kinds))
		} else if err := w.join(kinds[step]); err != nil {
			return 0, err
		}
	}
	live, err = len(w.live), w.check()
	for len(w.live) > 0 {
		w.end(len(w.live) - 1)
	}
	return live, err
}

// check says who holds a slot and should not, or should and does not.
func (w *lineUp) check() error {
	held, promised := 0, int64(1<<62)
	least := int64(1 << 62)
	for i, m := range w.live {
		least = min(least, m.limit)
		cl := w.conn(m.own).lookup(m.tag, []byte("k"))
		if holds := cl.state == stateHeld; holds != (int64(i+1) <= least) {
			return fmt.Errorf("rank %d of limit %d, least %d so far: holds a slot: %t", i+1, m.limit, least, holds)
		} else if holds {
			held++
			promised = min(promised, m.limit)
		}
	}
	if int64(held) > promised {
		return fmt.Errorf("%d are held, and somebody was promised that it is %d at most", held, promised)
	}
	return w.table.check()
}

// TestEachClaimKeepsItsOwnLimitInEveryOrderOfClaims tries every order in which
// claims of three limits come and go, those of official clients and those that
// bring their own. A claim holds a slot exactly if its rank is at most the smallest
// limit up to its own; so each holder's limit is kept, and no slot is kept from
// anybody. An official claim is refused exactly if another one has another limit.
func TestEachClaimKeepsItsOwnLimitInEveryOrderOfClaims(t *testing.T) {
	var kinds []asked
	for limit := int64(1); limit <= 3; limit++ {
		kinds = append(kinds, asked{limit, true}, asked{limit, false})
	}
	depth := 6
	if testing.Short() {
		depth = 4
	}
	histories := 0
	w := newLineUp()
	var try func(history []int)
	try = func(history []int) {
		live, err := w.play(history, kinds)
		require.NoErrorf(t, err, "after %v of %v", history, kinds)
		histories++
		if len(history) == depth {
			return
		}
		for step := range len(kinds) + live {
			try(append(slices.Clone(history), step))
		}
	}
	try(nil)
	counts.Report(t, counts.Of{"histories": histories})
}

// TestAGrantAmongTenThousandLimitsLooksAtFewOfThem counts comparisons: a key
// with n holders whose limits all differ finds the smallest in O(log n).
func TestAGrantAmongTenThousandLimitsLooksAtFewOfThem(t *testing.T) {
	const n = 10_000
	table := New(Config{Random: func() uint64 { return 42 }})
	conn := &Conn{OwnLimits: true}
	var tokens []wire.Token
	claim := func(limit int) {
		r := table.Acquire(0, conn, Claim{Key: []byte("k"), Limit: int64(limit), Lease: time.Hour})
		require.Equal(t, wire.OK, r.Status)
		tokens = append(tokens, r.Token)
	}
	for i := range n {
		claim(n + (i*7919)%n) // in no order
	}
	m := table.keys.get([]byte("k")).mixed
	require.Len(t, m.held, n)
	most := 0
	for i := range n {
		before := m.looks
		table.Release(0, []byte("k"), tokens[i])
		claim(3*n + (i*104729)%n)
		most = max(most, m.looks-before)
	}
	t.Logf("%d comparisons at most for a release and a grant", most)
	require.LessOrEqual(t, most, 4*bits.Len(n))
	require.NoError(t, table.check())
}

// TestClaimsOfOneLimitCostNoMoreThanTheyDid holds the price of a claim that has
// nothing to do with other limits, also after there were some.
func TestClaimsOfOneLimitCostNoMoreThanTheyDid(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.Equal(t, uintptr(112), unsafe.Sizeof(claim{}), "of the size class that it had")
		require.Equal(t, uintptr(80), unsafe.Sizeof(lock{}), "of the size class that it had")
	}
	table := New(Config{Random: func() uint64 { return 42 }})
	conn := &Conn{OwnLimits: true}
	key := []byte("k")
	claim := func(limit int64) wire.Token {
		return table.Acquire(0, conn, Claim{Key: key, Limit: limit, Lease: time.Hour}).Token
	}
	for range 1000 {
		table.Release(0, key, claim(3)) // its maps have grown then
	}
	old := claim(3)
	require.Nil(t, table.keys.get(key).mixed)
	allocs := testing.AllocsPerRun(100, func() { table.Release(0, key, claim(3)) })
	require.LessOrEqual(t, allocs, 1.0, "the claim itself")

	young := claim(2)
	require.NotNil(t, table.keys.get(key).mixed)
	table.Release(0, key, old)
	require.Nil(t, table.keys.get(key).mixed, "a deploy is over with the last of its old claims")
	require.EqualValues(t, 2, table.keys.get(key).limit)
	require.Equal(t, allocs, testing.AllocsPerRun(100, func() { table.Release(0, key, claim(2)) }))
	table.Release(0, key, young)
	require.Zero(t, table.keys.len)
}
