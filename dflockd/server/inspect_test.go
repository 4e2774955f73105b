package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// inspect returns the state of a key.
func (c *client) inspect(key string) (s keyState) {
	c.t.Helper()
	text, ok := strings.CutPrefix(c.ask("inspect|"+key+"|_"), "ok ")
	require.True(c.t, ok)
	require.NoError(c.t, json.Unmarshal([]byte(text), &s))
	return s
}

func TestAThousandHoldersAndWaitersAreListedAndAllAreCounted(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	c.ask("hello|_|1 limits name=crowd:1")
	const many = 1500
	for i := range many {
		require.Contains(t, c.ask(fmt.Sprintf("#%d se|k|%d", i+1, many)), "acquired")
	}
	for i := range many {
		require.Contains(t, c.ask(fmt.Sprintf("#%d se|k|%d", many+i+1, many)), "queued")
	}
	state := c.inspect("k")
	require.Equal(t, many, state.Held)
	require.Equal(t, many, state.Waiting)
	require.Len(t, state.Holders, maxListed)
	require.Len(t, state.Waiters, maxListed)
	for _, h := range state.Holders {
		require.Equal(t, "crowd:1", h.Name)
	}
}

// What is shown of a grant is neither its token, nor enough to renew or release it.
func TestNothingThatIsInspectedRenewsOrReleasesASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithAutoRelease(false))
		holder, other := dial(t, s), dial(t, s)
		holder.ask("hello|_|1 name=web3:4711")
		token, _ := holder.grant("l|k|0 10")
		text := other.ask("inspect|k|_")
		require.NotContains(t, text, token[16:])
		id := other.inspect("k").Holders[0].ID
		require.Equal(t, token[:16], id)
		require.Equal(t, "error", other.ask("r|k|"+id))
		require.Equal(t, "error", other.ask("r|k|"+id+strings.Repeat("0", 16)))
		require.Equal(t, "error", other.ask("n|k|"+id+strings.Repeat("0", 16)))

		require.NoError(t, holder.Close()) // a strict server keeps the slot
		synctest.Wait()
		require.Equal(t, "web3:4711", other.inspect("k").Holders[0].Name)
	})
}
