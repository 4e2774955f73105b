package frontier

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A URL in these tests is host/name.
func config(pages int) Config {
	return Config{Pages: pages, Slots: 12, PerHost: 4, Hosts: 6, Host: func(url string) string {
		name, _, _ := strings.Cut(url, "/")
		return name
	}}
}

func TestURLIsHandedOutOnceHoweverOftenItIsFound(t *testing.T) {
	f := New(config(10))
	require.True(t, f.Add("a/1"))
	require.False(t, f.Add("a/1"))
	url, host, ok := f.Take(1)
	require.True(t, ok)
	require.Equal(t, "a/1", url)
	require.Equal(t, "a", host)
	require.False(t, f.Add("a/1"))
	require.NoError(t, f.Fetched(url))
	require.False(t, f.Add("a/1"))
	_, _, ok = f.Take(1)
	require.False(t, ok)
	require.True(t, f.Finished())
}

func TestExactlyTheWantedPagesAreFetchedAndFailuresAreReplaced(t *testing.T) {
	f := New(config(5))
	for i := range 20 {
		f.Add(fmt.Sprint("a/", i))
	}
	var out []string
	take := func() (n int) {
		for url, _, ok := f.Take(1); ok; url, _, ok = f.Take(1) {
			out = append(out, url)
			n++
		}
		return n
	}
	require.Equal(t, 5, take())
	require.NoError(t, f.Failed(out[0]))
	require.Equal(t, 1, take(), "another for the one that failed")
	require.NoError(t, f.Fetched(out[1]))
	require.Zero(t, take(), "none for the one that was fetched")
	for _, url := range out[2:] {
		require.False(t, f.Finished())
		require.NoError(t, f.Fetched(url))
	}
	require.True(t, f.Finished())
	require.Equal(t, 5, f.Counts().Fetched)
	require.Equal(t, 1, f.Counts().Failed)
}

func TestURLsOfADeadWorkerGoToTheOthersFirst(t *testing.T) {
	f := New(config(100))
	for i := range 6 {
		f.Add(fmt.Sprint("a/", i))
	}
	lost := map[string]bool{}
	for range 2 {
		url, _, _ := f.Take(1)
		lost[url] = true
	}
	kept, _, _ := f.Take(2)
	require.Equal(t, 2, f.ReturnAll(1))
	require.Zero(t, f.ReturnAll(1))
	require.Zero(t, f.OutAt(1))
	require.Equal(t, Out, f.State(kept))
	require.Equal(t, 3, f.Lost(), "if it all ended now")

	for range 2 {
		url, _, ok := f.Take(2)
		require.True(t, ok)
		require.True(t, lost[url], url)
		require.NoError(t, f.Fetched(url))
	}
	require.Equal(t, 2, f.Counts().GivenBack)
	require.Equal(t, 2, f.Counts().Again)
	require.NoError(t, f.Fetched(kept))
	require.Zero(t, f.Lost())
}

func TestGivenBackURLsAreFetchedEvenIfFewPagesAreWanted(t *testing.T) {
	f := New(config(3))
	for i := range 60 {
		f.Add(fmt.Sprintf("h%d/%d", i%10, i))
	}
	for range 3 {
		f.Take(1)
	}
	require.Equal(t, 3, f.ReturnAll(1))
	for url, _, ok := f.Take(2); ok; url, _, ok = f.Take(2) {
		require.NoError(t, f.Fetched(url))
	}
	require.True(t, f.Finished())
	require.Zero(t, f.Lost())
	require.Equal(t, 3, f.Counts().Again)
}

func TestURLThatNobodyAskedForIsNotLost(t *testing.T) {
	f := New(config(10))
	f.Add("a/1")
	url, _, _ := f.Take(1)
	require.Equal(t, 1, f.Lost(), "if it all ended now")
	require.NoError(t, f.Return(url, false))
	require.Zero(t, f.Lost())
	require.Zero(t, f.Counts().GivenBack)
	url, _, ok := f.Take(1)
	require.True(t, ok)
	require.NoError(t, f.Return(url, true))
	_, _, _ = f.Take(1)
	require.NoError(t, f.Return(url, false))
	require.Equal(t, 1, f.Lost(), "somebody did before")
}

func TestHostThatIsGivenUpLeavesItsURLs(t *testing.T) {
	f := New(config(100))
	for i := range 4 {
		f.Add(fmt.Sprint("a/", i))
		f.Add(fmt.Sprint("b/", i))
	}
	hosts := map[string]int{}
	var out []string
	for range 4 {
		url, host, _ := f.Take(1)
		hosts[host]++
		out = append(out, url)
	}
	require.Equal(t, map[string]int{"a": 2, "b": 2}, hosts)
	require.NoError(t, f.Return(out[0], true))
	require.NoError(t, f.Return(out[1], true))
	require.True(t, f.GiveUp("a"))
	require.False(t, f.GiveUp("a"), "once")
	require.Equal(t, 3, f.Counts().Left, "two that waited, and one that was given back")
	require.True(t, f.Add("a/late"))
	require.Equal(t, Left, f.State("a/late"))
	for _, url := range out[2:] {
		require.NoError(t, f.Return(url, true))
	}
	require.Equal(t, 5, f.Counts().Left)
	for range 4 {
		url, host, ok := f.Take(1)
		require.True(t, ok)
		require.Equal(t, "b", host)
		require.NoError(t, f.Fetched(url))
	}
	require.True(t, f.Finished())
	require.Zero(t, f.Lost())
	c := f.Counts()
	require.Equal(t, c.Known, c.Fetched+c.Left)
}

func TestSlowHostHasOneURLOutAndHoldsUpNobody(t *testing.T) {
	cfg := config(100)
	f := New(cfg)
	f.Slow("slow")
	for i := range 10 {
		f.Add(fmt.Sprint("slow/", i))
		f.Add(fmt.Sprint("quick/", i))
	}
	var slow []string
	n := 0
	for url, host, ok := f.Take(1); ok; url, host, ok = f.Take(1) {
		if n++; host == "slow" {
			slow = append(slow, url)
		}
	}
	require.Len(t, slow, 1)
	require.Equal(t, 11, n)
	require.NoError(t, f.Fetched(slow[0]))
	_, host, ok := f.Take(1)
	require.True(t, ok)
	require.Equal(t, "slow", host)
}

func TestSlowHostDoesNotTakeAllWorkers(t *testing.T) {
	f := New(config(1000))
	for i := range 100 {
		f.Add(fmt.Sprint("slow/", i))
	}
	var out []string
	for url, _, ok := f.Take(1); ok; url, _, ok = f.Take(1) {
		out = append(out, url)
	}
	require.Len(t, out, 16, "four for each of its slots")
	f.Add("other/1")
	url, _, ok := f.Take(1)
	require.True(t, ok)
	require.Equal(t, "other/1", url)
	require.NoError(t, f.Fetched(out[0]))
	_, host, ok := f.Take(1)
	require.True(t, ok)
	require.Equal(t, "slow", host)
}

func TestResultThatNobodyOwesIsAnError(t *testing.T) {
	f := New(config(10))
	require.ErrorContains(t, f.Fetched("a/1"), "unknown")
	f.Add("a/1")
	require.ErrorContains(t, f.Failed("a/1"), "waiting")
	f.Take(1)
	require.NoError(t, f.Fetched("a/1"))
	require.ErrorContains(t, f.Return("a/1", true), "fetched")
	require.Equal(t, 1, f.Counts().Fetched)
}

// With enough hosts known, the URLs that are out must be able to fill all slots
// and some host's own, at every moment.
func TestOrderKeepsAllSlotsAndAHostsOwnBusy(t *testing.T) {
	f := New(config(10_000))
	for h := range 60 {
		for i := range 100 {
			f.Add(fmt.Sprintf("h%d/%d", h, i))
		}
	}
	var out []string
	for range 5000 {
		for len(out) < 96 {
			url, _, ok := f.Take(1)
			require.True(t, ok)
			out = append(out, url)
		}
		require.NoError(t, f.Fetched(out[0]))
		out = out[1:]
	}
	require.Equal(t, 5000, f.Counts().Full)
	// Not all: a host that has just been begun, or is nearly done, has little out.
	require.Greater(t, f.Counts().FullHost, 4000)
}

// The books are compared with a dumb model over a random history.
func TestBooksAgreeWithAModel(t *testing.T) {
	const seed = 20261123
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		pages := 1 + r.IntN(40)
		cfg := config(pages)
		cfg.PerHost = pages // no host is ever full, which the model does not know
		f := New(cfg)
		model := map[string]State{}
		owner := map[string]int{}
		for range 300 {
			switch worker := r.IntN(3); r.IntN(7) {
			case 0, 1:
				url := fmt.Sprintf("h%d/%d", r.IntN(5), r.IntN(20))
				require.Equal(t, model[url] == Unknown, f.Add(url))
				if model[url] == Unknown {
					model[url] = Waiting
				}
			case 2, 3:
				room := count(model, Fetched)+count(model, Out) < pages
				url, _, ok := f.Take(worker)
				require.Equal(t, room && count(model, Waiting) > 0, ok)
				if ok {
					require.Equal(t, Waiting, model[url])
					model[url], owner[url] = Out, worker
				}
			case 4, 5:
				end(t, r, f, model)
			case 6:
				want := 0
				for url, s := range model {
					if s == Out && owner[url] == worker {
						model[url] = Waiting
						want++
					}
				}
				require.Equal(t, want, f.ReturnAll(worker))
			}
			c := f.Counts()
			require.Equal(t, []int{count(model, Waiting), count(model, Out), count(model, Fetched), count(model, Failed), len(model)},
				[]int{c.Waiting, c.Out, c.Fetched, c.Failed, c.Known})
			require.LessOrEqual(t, c.Fetched, pages)
		}
	}
}

// end ends the hand-out of some URL in one of the three ways.
func end(t *testing.T, r *rand.Rand, f *Frontier, model map[string]State) {
	var out []string
	for url, s := range model {
		if s == Out {
			out = append(out, url)
		}
	}
	if len(out) == 0 {
		return
	}
	slices.Sort(out)
	url := out[r.IntN(len(out))]
	switch r.IntN(3) {
	case 0:
		require.NoError(t, f.Fetched(url))
		model[url] = Fetched
	case 1:
		require.NoError(t, f.Failed(url))
		model[url] = Failed
	case 2:
		require.NoError(t, f.Return(url, r.IntN(2) == 0))
		model[url] = Waiting
	}
}

func count(model map[string]State, s State) (n int) {
	for _, other := range model {
		if other == s {
			n++
		}
	}
	return n
}
