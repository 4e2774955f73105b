package locktable

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// A paceWorld is one key of a table, with a connection for each claim.
type paceWorld struct {
	t     *testing.T
	table *Table
	now   time.Duration
	tags  uint64
	conn  Conn
	slots map[uint64]wire.Token // by the tags of the claims that hold them
}

func newPaceWorld(t *testing.T) *paceWorld {
	return &paceWorld{t: t, table: New(Config{Random: func() uint64 { return 42 }}), conn: Conn{OwnLimits: true}, slots: map[uint64]wire.Token{}}
}

// claim enqueues a claim for "k" and waits for it, and returns its tag and whether it was
// granted at once.
func (w *paceWorld) claim(limit int64, p gcra.Pace) (tag uint64, granted bool) {
	w.tags++
	a := Claim{Key: []byte("k"), Limit: limit, Lease: time.Hour, Tag: w.tags, Pace: p}
	r := w.table.Enqueue(w.now, &w.conn, a)
	w.slots[w.tags] = r.Token
	if r.Status == wire.Queued {
		a.Timeout = time.Hour
		require.Zero(w.t, w.table.Wait(w.now, &w.conn, a).Status)
	}
	return w.tags, r.Status == wire.Acquired
}

// next moves time on to when the table has something to do, and returns who was granted a
// slot then.
func (w *paceWorld) next() (granted []uint64) {
	at, ok := w.table.Next()
	require.True(w.t, ok)
	require.Greater(w.t, at, w.now, "the table has nothing to do now")
	w.now = at
	w.table.Advance(at)
	return w.told()
}

func (w *paceWorld) told() (granted []uint64) {
	for _, e := range w.table.Events() {
		if e.Status == wire.OK {
			granted = append(granted, e.Tag)
			w.slots[e.Tag] = e.Token
		}
	}
	require.NoError(w.t, w.table.check())
	return granted
}

// end ends a claim, whether it holds a slot or waits.
func (w *paceWorld) end(tag uint64) []uint64 {
	w.table.Release(w.now, []byte("k"), w.slots[tag])
	w.table.Leave(w.now, &w.conn, Claim{Key: []byte("k"), Tag: tag})
	return w.told()
}

func every(d time.Duration, burst int64) gcra.Pace { return gcra.Pace{Interval: d, Burst: burst} }

func TestTheFirstInLineGoesWhenTheClockLetsIt(t *testing.T) {
	w := newPaceWorld(t)
	p := every(100, 2)
	for range 2 {
		_, granted := w.claim(9, p)
		require.True(t, granted, "a burst goes at once")
	}
	waits := func() (tag uint64) {
		tag, granted := w.claim(9, p)
		require.False(t, granted)
		return tag
	}
	for i := range 3 { // one who waits alone
		tag := waits()
		require.Equal(t, []uint64{tag}, w.next())
		require.Equal(t, time.Duration(100*(i+1)), w.now)
	}
	line := []uint64{waits(), waits()}
	require.Equal(t, line[:1], w.next())
	require.Equal(t, line[1:], w.next())
	require.Equal(t, 500*time.Nanosecond, w.now)
}

func TestNoStartIsLostWhileAllSlotsAreHeldAndNoneIsMadeUpFor(t *testing.T) {
	w := newPaceWorld(t)
	p := every(100, 1)
	first, _ := w.claim(1, p)
	second, _ := w.claim(1, p)
	third, _ := w.claim(1, p)
	w.now = 1000
	require.Equal(t, []uint64{second}, w.end(first), "the clock has let it go for long")
	require.Empty(t, w.end(second))
	require.Equal(t, []uint64{third}, w.next())
	require.EqualValues(t, 1100, w.now)
}

func TestNobodyPassesTheFirstInLineWhileItWaitsForTheClock(t *testing.T) {
	w := newPaceWorld(t)
	w.claim(9, every(100, 1))
	paced, _ := w.claim(9, every(100, 1))
	plain, granted := w.claim(9, gcra.Pace{})
	require.False(t, granted)
	require.Equal(t, wire.Timeout, w.table.Acquire(w.now, &w.conn, Claim{Key: []byte("k"), Limit: 9, Lease: 1}).Status)
	require.Equal(t, []uint64{paced, plain}, w.next())
}

func TestWhoLeavesTheLineOfAClockLetsTheNextOneGo(t *testing.T) {
	w := newPaceWorld(t)
	w.claim(9, every(100, 1))
	slow, _ := w.claim(9, every(100, 1))
	fast, _ := w.claim(9, every(10, 11))
	plain, _ := w.claim(9, gcra.Pace{})
	require.Equal(t, []uint64{fast, plain}, w.end(slow))
}

func TestWhoLeavesTheLineOfAClockHasTheNextOneLookedAtInTime(t *testing.T) {
	w := newPaceWorld(t)
	w.claim(9, every(100, 1))
	slow, _ := w.claim(9, every(100, 1))
	fast, _ := w.claim(9, every(10, 6))
	require.Empty(t, w.end(slow))
	require.Equal(t, []uint64{fast}, w.next())
	require.EqualValues(t, 50, w.now)
}

func TestAPauseHoldsUpTheClockToo(t *testing.T) {
	w := newPaceWorld(t)
	w.claim(9, every(100, 1))
	paced, _ := w.claim(9, every(100, 1))
	next, _ := w.claim(9, every(100, 1))
	w.table.Pause(0, []byte("k"), 450)
	w.table.Advance(449)
	require.Empty(t, w.told())
	w.now = 449
	require.Equal(t, []uint64{paced}, w.next())
	require.Equal(t, []uint64{next}, w.next())
	require.EqualValues(t, 550, w.now)
}

func TestAClockIsForgottenWhenItIsAsGoodAsNew(t *testing.T) {
	w := newPaceWorld(t)
	tag, _ := w.claim(1, every(100, 3))
	w.end(tag)
	require.Zero(t, w.table.keys.len)
	require.Len(t, w.table.clocks.byKey, 1, "it outlives the claims of its key")
	require.Empty(t, w.next())
	require.EqualValues(t, 100, w.now)
	require.Empty(t, w.table.clocks.byKey)
	_, due := w.table.Next()
	require.False(t, due)
}

func TestThereAreClocksForSoManyKeysAtMost(t *testing.T) {
	table := New(Config{Random: func() uint64 { return 42 }})
	conn := &Conn{OwnLimits: true}
	claim := func(key string, p gcra.Pace) Result {
		r := table.Acquire(0, conn, Claim{Key: []byte(key), Limit: 1, Lease: time.Hour, Pace: p})
		table.Release(0, []byte(key), r.Token)
		return r
	}
	for i := range maxClocks {
		require.Equal(t, wire.OK, claim(fmt.Sprint(i), every(time.Second, 1)).Status)
	}
	require.Equal(t, MaxClocks, claim("more", every(time.Second, 1)).Bound)
	require.Equal(t, wire.Timeout, claim("0", every(time.Second, 1)).Status)
	require.Equal(t, wire.OK, claim("more", gcra.Pace{}).Status)
	require.Len(t, table.clocks.byKey, maxClocks)
	table.Advance(time.Second)
	require.Empty(t, table.clocks.byKey)
	require.Zero(t, table.keys.len)
}

// Claims of several paces come and go at random. In any window the intervals of all that
// were granted, but the last, come to no more than the window and the burst of the last.
func TestEachClaimUsesUpItsOwnIntervalOfTheClockOfItsKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(faultnet.Seed(t), 0))
	for range 200 {
		w := newPaceWorld(t)
		paces := map[uint64]gcra.Pace{}
		var at []time.Duration
		var of []gcra.Pace
		var held []uint64
		note := func(tags ...uint64) {
			for _, tag := range tags {
				held = append(held, tag)
				if p := paces[tag]; !p.IsNone() {
					at, of = append(at, w.now), append(of, p)
				}
			}
		}
		for range 100 {
			w.now += time.Duration(rng.IntN(30))
			w.table.Advance(w.now)
			note(w.told()...)
			if rng.IntN(2) == 0 && len(held) > 0 {
				tag := held[0]
				held = held[1:]
				note(w.end(tag)...)
				continue
			}
			p := every(time.Duration(1+rng.IntN(40)), 1+rng.Int64N(3))
			if rng.IntN(8) == 0 {
				p = gcra.Pace{}
			}
			w.tags++
			paces[w.tags] = p
			w.tags--
			if tag, granted := w.claim(3, p); granted {
				note(tag)
			}
		}
		require.NotEmpty(t, at)
		for i := range at {
			used := time.Duration(0)
			for j := i; j < len(at); j++ {
				last := of[j]
				require.LessOrEqual(t, used, at[j]-at[i]+time.Duration(last.Burst-1)*last.Interval)
				used += last.Interval
			}
		}
	}
}

// Somebody whose connection has gone stands in front and waits for the clock, and behind
// him one whom the clock would let go. The time of the second is over first, so it is of
// no use to him that the first then leaves.
func TestAPlaceThatIsGivenUpLateServesNobodyWhoseTimeWasOverBefore(t *testing.T) {
	p := newPair(Config{}, 2)
	p.model.paced = true
	slow, quick := gcra.Pace{Interval: 5, Burst: 1}, gcra.Pace{Interval: 5, Burst: 2}
	for _, o := range []op{
		{verb: opAcquire, key: "c", limit: 3, lease: 100, pace: slow},
		{verb: opAcquire, key: "c", limit: 3, lease: 100, timeout: 2, tag: 1, pace: slow},
		{verb: opAcquire, key: "c", conn: 1, limit: 3, lease: 100, timeout: 1, pace: quick},
		{verb: opClose},
		{verb: opPass, conn: 1, pass: 3},
	} {
		require.NoError(t, p.step(o))
	}
}
