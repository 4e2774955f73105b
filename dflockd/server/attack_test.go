package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// The tests of this file attack a server and count what that costs it and
// others. How long it takes is in attack_bench_test.go.

// burst sends a request n times in one go, with a counter in place of %d if
// there is one.
func (c *client) burst(request string, n int) {
	c.t.Helper()
	var all strings.Builder
	for i := range n {
		text := request
		if strings.Contains(request, "%d") {
			text = fmt.Sprintf(request, i)
		}
		all.WriteString(strings.ReplaceAll(text, "|", "\n") + "\n")
	}
	_, err := io.WriteString(c, all.String())
	require.NoError(c.t, err)
}

// lines reads n answers and counts them by their first word.
func (c *client) lines(n int) map[string]int {
	c.t.Helper()
	count := map[string]int{}
	for range n {
		word, _, _ := strings.Cut(c.line(), " ")
		count[word]++
	}
	return count
}

// A close is done in parts. What the connection had is not granted meanwhile,
// to whom it belonged or out of turn.
func TestCloseOfAConnectionThatOwnsALotGrantsInOrderAndNothingToTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 5000 // ten parts
		s := start(t, WithMaxLocks(0))
		owner, holder := dial(t, s), dial(t, s)
		token, _ := holder.grant("l|line|0 1000")
		owner.burst("sl|slots|0 5000 1000", many)
		owner.lines(many)
		owner.burst("l|key%d|0 1000", many)
		owner.lines(many)
		for i := range many {
			owner.send(fmt.Sprintf("#%d se|line|1 1000", i+1))
			owner.line()
		}
		var live []*client
		for i := range 10 {
			c := dial(t, s)
			live = append(live, c)
			c.send("l|line|1000 10")
			synctest.Wait()
			c = dial(t, s)
			live = append(live, c)
			c.send(fmt.Sprintf("l|key%d|1000 10", i*100))
		}
		synctest.Wait()
		require.Equal(t, uint64(2*many+1), s.Stats().Grants)
		beginClose(t, s, 2*many)
		require.Equal(t, "ok", holder.ask("r|line|"+token))
		for i := 1; i < len(live); i += 2 {
			live[i].granted(live[i].line())
		}
		for i := 0; i < len(live); i += 2 {
			token, _ := live[i].granted(live[i].line())
			synctest.Wait()
			if i+2 < len(live) {
				require.Zero(t, live[i+2].r.Buffered(), "the next is not granted yet")
			}
			require.Equal(t, "ok", live[i].ask("r|line|"+token))
		}
		st := s.Stats()
		require.Equal(t, uint64(2*many+1+20), st.Grants, "none to the dead")
		require.Equal(t, 10, st.Keys)
		require.Equal(t, 10, st.Held)
	})
}

// beginClose makes the connection that holds so many slots one that has closed,
// of whose claims none is cleared yet.
func beginClose(t testing.TB, s *Server, held int) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, c := range s.snapshot() {
		if c.lc.Held() == held {
			c.gone = true
			s.hub.table.CloseConn(s.hub.now(), &c.lc)
			return
		}
	}
	t.Fatal("there is none")
}

// The slots of a closed connection are still in the table for a moment; but
// nobody may renew one that is about to be somebody else's.
func TestTokenOfAClosedConnectionIsWorthNothingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxLocks(0))
		owner, other := dial(t, s), dial(t, s)
		first, _ := owner.grant("l|first|0 1000")
		owner.burst("l|key%d|0 1000", 5000)
		owner.lines(5000)
		beginClose(t, s, 5001)
		require.Equal(t, 5001, s.hub.table.Totals().Held)
		require.Equal(t, "error", other.ask("n|first|"+first+" 1000"))
		require.Equal(t, "error", other.ask("r|first|"+first))
	})
}
