package check_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/stacktest/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var zero = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }

func held(key, holder string, from, to int) check.Interval {
	return check.Interval{Key: key, Holder: holder, Start: at(from), End: at(to)}
}

func TestOverlapsAreFoundAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		ivs  []check.Interval
		want []check.Overlap
	}{
		"one after the other": {1, []check.Interval{held("k", "a", 0, 10), held("k", "b", 10, 20)}, nil},
		"other keys":          {1, []check.Interval{held("k", "a", 0, 10), held("l", "b", 5, 20)}, nil},
		"two of two":          {2, []check.Interval{held("k", "a", 0, 10), held("k", "b", 5, 20)}, nil},
		"no length":           {1, []check.Interval{held("k", "a", 0, 10), held("k", "b", 5, 5)}, nil},
		"two of one": {1, []check.Interval{held("k", "a", 0, 10), held("k", "b", 5, 20)},
			[]check.Overlap{{Key: "k", From: at(5), To: at(10), Holders: []string{"a", "b"}}}},
		"one in another": {1, []check.Interval{held("k", "a", 0, 10), held("k", "b", 3, 4)},
			[]check.Overlap{{Key: "k", From: at(3), To: at(4), Holders: []string{"a", "b"}}}},
		"three of two": {2, []check.Interval{held("k", "a", 0, 10), held("k", "b", 1, 9), held("k", "c", 8, 30)},
			[]check.Overlap{{Key: "k", From: at(8), To: at(9), Holders: []string{"a", "b", "c"}}}},
		"starts at once": {1, []check.Interval{held("k", "a", 0, 10), held("k", "b", 0, 10)},
			[]check.Overlap{{Key: "k", From: at(0), To: at(10), Holders: []string{"a", "b"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, check.Overlaps(c.n, c.ivs))
		})
	}
}

// TestOverlapsAgreeWithCountingEachMoment compares the sweep with counting, at
// each moment, who holds a slot.
func TestOverlapsAgreeWithCountingEachMoment(t *testing.T) {
	const span = 40
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var ivs []check.Interval
		for i := range rng.IntN(12) {
			from := rng.IntN(span)
			ivs = append(ivs, held("k", fmt.Sprint(i), from, from+rng.IntN(10)))
		}
		n := 1 + rng.IntN(3)
		over := [span + 10]bool{}
		for _, o := range check.Overlaps(n, ivs) {
			for ms := o.From.Sub(zero).Milliseconds(); ms < o.To.Sub(zero).Milliseconds(); ms++ {
				over[ms] = true
			}
		}
		for ms := range over {
			holding := 0
			for _, iv := range ivs {
				if !iv.Start.After(at(ms)) && at(ms).Before(iv.End) {
					holding++
				}
			}
			require.Equalf(t, holding > n, over[ms], "%d ms, of %v", ms, ivs)
		}
	}
}

func TestExcessesAreJudgedByTheLimitOfEachHolder(t *testing.T) {
	with := func(limit int, iv check.Interval) check.Interval {
		iv.Limit = limit
		return iv
	}
	require.Empty(t, check.Excesses([]check.Interval{
		with(2, held("k", "a", 0, 10)), with(3, held("k", "b", 5, 20)), with(1, held("l", "c", 5, 20)), with(1, held("k", "d", 20, 30)),
	}))
	require.Equal(t, []check.Overlap{{Key: "k", From: at(5), To: at(10), Holders: []string{"a", "b"}}},
		check.Excesses([]check.Interval{with(3, held("k", "a", 0, 10)), with(1, held("k", "b", 5, 20))}))
}

func TestLongestJoinsOverlapsThatTouch(t *testing.T) {
	overlaps := check.Overlaps(1, []check.Interval{
		held("k", "a", 0, 10), held("k", "b", 4, 7), held("k", "c", 6, 20), held("l", "d", 0, 9), held("l", "e", 2, 3),
	})
	require.Equal(t, 6*time.Millisecond, check.Longest(overlaps)) // from 4 to 10
	require.Zero(t, check.Longest(nil))
}

func TestRecorderEndsAnIntervalWithItsContextOrItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r check.Recorder
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		endA := r.Begin(ctx, "k", "a") // ends by its context after a second
		endB := r.Begin(t.Context(), "k", "b")
		time.Sleep(2 * time.Second)
		endB()
		time.Sleep(time.Second)
		endA()
		endC := r.Begin(t.Context(), "k", "c")
		time.Sleep(time.Second)
		require.ElementsMatch(t, []check.Interval{
			{Key: "k", Holder: "a", Start: begin, End: begin.Add(time.Second)},
			{Key: "k", Holder: "b", Start: begin, End: begin.Add(2 * time.Second)},
			{Key: "k", Holder: "c", Start: begin.Add(3 * time.Second), End: begin.Add(4 * time.Second)},
		}, r.Intervals())
		require.Equal(t, 2, r.Peak())
		endC()
	})
}

func claim(id string, sent, answered, granted int) check.Claim {
	c := check.Claim{Key: "k", ID: id, Sent: at(sent), Answered: at(answered)}
	if granted >= 0 {
		c.Granted = at(granted)
	}
	return c
}

func TestOvertakingIsFoundAndNothingElse(t *testing.T) {
	left := claim("a", 0, 1, -1)
	left.Left = true
	other := claim("a", 0, 1, 9)
	other.Key = "l"
	for name, c := range map[string]struct {
		claims []check.Claim
		want   int
	}{
		"in order":             {[]check.Claim{claim("a", 0, 1, 5), claim("b", 2, 3, 6)}, 0},
		"at the same time":     {[]check.Claim{claim("a", 0, 1, 5), claim("b", 2, 3, 5)}, 0},
		"sent side by side":    {[]check.Claim{claim("a", 0, 3, 9), claim("b", 1, 2, 5)}, 0},
		"who left is no rival": {[]check.Claim{left, claim("b", 2, 3, 6)}, 0},
		"of another key":       {[]check.Claim{other, claim("b", 2, 3, 6)}, 0},
		"both still wait":      {[]check.Claim{claim("a", 0, 1, -1), claim("b", 2, 3, -1)}, 0},
		"overtakes":            {[]check.Claim{claim("a", 0, 1, 7), claim("b", 2, 3, 6)}, 1},
		"forgotten":            {[]check.Claim{claim("a", 0, 1, -1), claim("b", 2, 3, 6)}, 1},
		"overtakes two":        {[]check.Claim{claim("a", 0, 1, 9), claim("b", 2, 3, 8), claim("c", 4, 5, 7)}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, check.OutOfOrder(c.claims), c.want)
		})
	}
}

func TestLedgerNamesEachJobThatDoesNotBalance(t *testing.T) {
	for name, c := range map[string]struct {
		play func(l *check.Ledger)
		want string // "": balances
	}{
		"succeeds": {func(l *check.Ledger) {
			l.Accepted("j")
			l.Started("j")()
			l.Result("j", nil)
		}, ""},
		"fails twice, then succeeds": {func(l *check.Ledger) {
			l.Accepted("j")
			l.Again("j")
			l.Started("j")()
			l.Again("j")
			l.Started("j")()
			l.Started("j")()
			l.Result("j", nil)
		}, ""},
		"dropped before it ran": {func(l *check.Ledger) { l.Accepted("j"); l.Result("j", context.Canceled) }, ""},
		"refused":               {func(l *check.Ledger) { l.Refused("j") }, ""},
		"no result":             {func(l *check.Ledger) { l.Accepted("j"); l.Started("j")() }, "job j: has 0 results"},
		"two results": {func(l *check.Ledger) {
			l.Accepted("j")
			l.Started("j")()
			l.Result("j", nil)
			l.Result("j", errors.New("again"))
		}, "job j: has 2 results"},
		"refused and run":       {func(l *check.Ledger) { l.Refused("j"); l.Started("j")() }, "was refused and ran"},
		"refused with a result": {func(l *check.Ledger) { l.Refused("j"); l.Result("j", nil) }, "was refused and has a result"},
		"never submitted":       {func(l *check.Ledger) { l.Started("j")(); l.Result("j", nil) }, "never submitted"},
		"accepted twice":        {func(l *check.Ledger) { l.Accepted("j"); l.Accepted("j") }, "more than once"},
		"succeeded without run": {func(l *check.Ledger) { l.Accepted("j"); l.Result("j", nil) }, "without running"},
		"started twice":         {func(l *check.Ledger) { l.Accepted("j"); l.Started("j")(); l.Started("j")(); l.Result("j", nil) }, "started 2 times"},
		"runs after its result": {func(l *check.Ledger) { l.Accepted("j"); l.Started("j"); l.Result("j", nil) }, "still runs"},
	} {
		t.Run(name, func(t *testing.T) {
			var l check.Ledger
			c.play(&l)
			if c.want == "" {
				require.NoError(t, l.Check())
			} else {
				require.ErrorContains(t, l.Check(), c.want)
			}
		})
	}
}

func TestHistoriesThatNoOrderExplainsAreFound(t *testing.T) {
	op := func(a check.Action, token string, ok bool, call, end int64) check.Operation {
		return check.Operation{Key: "k", Action: a, Token: token, OK: ok, Call: call, End: end}
	}
	const a, b, c = "a", "b", "c"
	limited := func(o check.Operation, limit int) check.Operation {
		o.Limit = limit
		return o
	}
	for name, h := range map[string]struct {
		n    int // the limit of all; 0: each has its own
		ops  []check.Operation
		good bool
	}{
		"a larger limit beside a smaller one": {0, []check.Operation{
			limited(op(check.Acquire, a, true, 1, 2), 2), limited(op(check.Acquire, b, true, 3, 4), 3)}, true},
		"refused by its own limit": {0, []check.Operation{
			limited(op(check.Acquire, a, true, 1, 2), 3), limited(op(check.Acquire, "", false, 3, 4), 1)}, true},
		"beyond the limit of another": {0, []check.Operation{
			limited(op(check.Acquire, a, true, 1, 2), 1), limited(op(check.Acquire, b, true, 3, 4), 3)}, false},
		"beyond its own limit": {0, []check.Operation{
			limited(op(check.Acquire, a, true, 1, 2), 3), limited(op(check.Acquire, b, true, 3, 4), 1)}, false},
		"once the smaller one is gone": {0, []check.Operation{
			limited(op(check.Acquire, a, true, 1, 2), 1), op(check.Release, a, true, 3, 4), limited(op(check.Acquire, b, true, 5, 6), 3),
			limited(op(check.Acquire, c, true, 7, 8), 2)}, true},
		"one after the other": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Release, a, true, 3, 4), op(check.Acquire, b, true, 5, 6)}, true},
		"granted while the release is under way": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Release, a, true, 3, 9), op(check.Acquire, b, true, 4, 5)}, true},
		"busy": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Acquire, "", false, 3, 4)}, true},
		"expired, then refused": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Expire, a, true, 5, 6), op(check.Renew, a, false, 7, 8), op(check.Release, a, false, 9, 10)}, true},
		"three of two": {2, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Acquire, b, true, 3, 4), op(check.Acquire, c, true, 5, 6)}, false},
		"busy while one is free": {2, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Acquire, "", false, 3, 4)}, false},
		"released twice": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Release, a, true, 3, 4), op(check.Release, a, true, 5, 6)}, false},
		"renewed after the release": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Release, a, true, 3, 4), op(check.Renew, a, true, 5, 6)}, false},
		"renewed after its end": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Expire, a, true, 5, 6), op(check.Renew, a, true, 7, 8)}, false},
		"granted before the end of the other": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Acquire, b, true, 3, 4), op(check.Expire, a, true, 5, 6)}, false},
		"refused although held": {1, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Renew, a, false, 3, 4)}, false},
		"the same token twice": {2, []check.Operation{
			op(check.Acquire, a, true, 1, 2), op(check.Acquire, a, true, 3, 4)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range h.ops {
				h.ops[i].Limit = max(h.ops[i].Limit, h.n)
			}
			err := check.Linearizable(h.ops, h.n == 0, time.Minute)
			if h.good {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "Illegal")
			}
		})
	}
}
