package server

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const refusedList = "error_server_list this client has the server as number 2 of 2, and clients that hold or wait for slots have it as number 1 of 2: " +
	"give all clients the same list, or start the server with --allow-mixed-server-lists"

func TestClientsWithAnotherListOfServersMayNotClaim(t *testing.T) {
	for name, claim := range map[string]string{"a lock": "l|other|0", "a lock that waits": "e|other|", "a semaphore": "sl|other|0 3", "one that waits": "se|other|3", "tagged": "#7 se|other|3"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				first, second, official := dial(t, s), dial(t, s), dial(t, s)
				first.ask("hello|_|1 servers=0/2")
				second.ask("hello|_|1 servers=1/2")
				token, _ := first.grant("l|k|0 10")
				refused := second.ask(claim)
				require.Equal(t, refusedList, strings.TrimPrefix(refused, "#7 "))
				require.Equal(t, strings.HasPrefix(claim, "#"), strings.HasPrefix(refused, "#"))
				require.Equal(t, "timeout", official.ask("l|k|0"), "whoever says nothing is not concerned")
				official.grant("l|another|0")
				require.Equal(t, "ok 10", second.ask("n|k|"+token+" 10"), "whoever has a token may renew and release")
				require.Equal(t, "ok", second.ask("r|k|"+token))
				second.grant("l|other|0 10")
				require.Contains(t, first.ask("l|k|0"), "error_server_list ", "now the other is the newcomer")
				time.Sleep(10*time.Second + time.Millisecond) // the lease ends
				first.grant("l|k|0")
			})
		})
	}
}

func TestAListOfServersCountsWhileItsClaimsLive(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  []Option
		claim func(t *testing.T, c *client)
		end   func(c *client)
	}{
		"a place in line": {nil, func(t *testing.T, c *client) {
			require.Equal(t, "queued", c.ask("e|taken|"))
		}, func(c *client) { _ = c.Close() }},
		"a wait": {nil, func(t *testing.T, c *client) { c.send("l|taken|5") }, func(*client) { time.Sleep(5 * time.Second) }},
		"a slot that outlives its connection": {[]Option{WithAutoRelease(false)}, func(t *testing.T, c *client) {
			c.grant("l|k|0 10")
			_ = c.Close()
		}, func(*client) { time.Sleep(10 * time.Second) }},
		"a grant that nobody asks for": {nil, func(t *testing.T, c *client) {
			c.grant("e|k|5")
		}, func(*client) { time.Sleep(5 * time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, tc.opts...)
				holder, first, second := dial(t, s), dial(t, s), dial(t, s)
				holder.grant("l|taken|0 100")
				first.ask("hello|_|1 servers=0/2")
				second.ask("hello|_|1 servers=1/2")
				tc.claim(t, first)
				synctest.Wait()
				require.Equal(t, refusedList, second.ask("l|other|0"))
				tc.end(first)
				synctest.Wait()
				second.grant("l|other|0")
			})
		})
	}
}

func TestListsOfServersMayDifferWhereThatIsAllowed(t *testing.T) {
	s := start(t, WithMixedServerLists())
	for _, list := range []string{"0/1", "0/2", "1/2"} {
		c := dial(t, s)
		c.ask("hello|_|1 servers=" + list)
		c.grant("sl|k|0 3")
	}
}
