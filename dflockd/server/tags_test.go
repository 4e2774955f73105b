package server

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTaggedRequestsAreAnsweredWhenTheyAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder, c := dial(t, s), dial(t, s)
		token, _ := holder.grant("l|k|0")
		require.Equal(t, "#1 queued", c.ask("#1 se|k|1 5"))
		require.Equal(t, "#2 queued", c.ask("#2 se|k|1 6"))
		require.Equal(t, "#1 error_already_enqueued", c.ask("#1 se|k|1 6"))
		c.send("#1 sw|k|100")
		c.send("#2 sw|k|100")
		c.send("#3 sl|k|100 1 7")
		require.Equal(t, "#4 ok", c.ask("#4 ping|_|_"), "a tagged request that waits blocks nothing")
		require.Equal(t, "ok", c.ask("ping|_|_"))
		require.Equal(t, "#3 error_already_enqueued", c.ask("#3 l|other|100"))
		require.Equal(t, "#1 error", c.ask("#1 sw|k|1"), "it is waited for already")
		require.Equal(t, "#1 error_not_enqueued", c.ask("#1 sw|other|1"))

		holder.ask("r|k|" + token)
		tag, grant, _ := strings.Cut(c.line(), " ")
		require.Equal(t, "#1", tag)
		token, lease := c.granted(grant)
		require.Equal(t, "5", lease)
		c.send("sr|k|" + token)
		require.ElementsMatch(t, []string{"ok", "#2 ok"}, []string{cut(c.line()), cut(c.line())})

		before := time.Now()
		tag, grant, _ = strings.Cut(c.line(), " ")
		require.Equal(t, "#3", tag)
		c.granted(grant)
		require.Equal(t, 6*time.Second, time.Since(before), "the lease of #2 ran out")
	})
}

// cut returns the first two words of a tagged line, or the first of another.
func cut(line string) string {
	f := strings.Fields(line)
	if strings.HasPrefix(line, "#") {
		return f[0] + " " + f[1]
	}
	return f[0]
}

func TestLeaveGivesUpThePlaceOfATag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder, c, next := dial(t, s), dial(t, s), dial(t, s)
		token, _ := holder.grant("l|k|0")
		require.Equal(t, "error", c.ask("x|k|"), "only a tag can be left")
		require.Equal(t, "#1 error_not_enqueued", c.ask("#1 x|k|"))

		require.Equal(t, "#1 queued", c.ask("#1 se|k|1"))
		require.Equal(t, "#1 ok", c.ask("#1 x|k|"))
		require.Zero(t, s.Stats().Locks[0].Waiters)

		require.Equal(t, "#1 queued", c.ask("#1 se|k|1"))
		c.send("#1 sw|k|100")
		c.send("#1 x|k|")
		require.ElementsMatch(t, []string{"#1 timeout", "#1 ok"}, []string{c.line(), c.line()})

		require.Equal(t, "#1 queued", c.ask("#1 se|k|1"))
		next.send("l|k|100")
		synctest.Wait()
		holder.ask("r|k|" + token) // now #1 is granted, and nobody knows yet
		require.Equal(t, "#1 ok", c.ask("#1 x|k|"))
		next.granted(next.line())
	})
}

func TestWaitingTagsKeepTheirConnectionFromTheReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder, c := dial(t, s), dial(t, s)
		token, _ := holder.grant("l|k|0 1000")
		c.send("#9 l|k|100")
		for range 10 {
			time.Sleep(9 * time.Second)
			require.Equal(t, "ok 1000", holder.ask("n|k|"+token+" 1000"))
		}
		_ = holder.Close()
		line := c.line()
		require.Regexp(t, `^#9 ok [0-9a-f]{32} 33$`, line)
		time.Sleep(22 * time.Second)
		require.Equal(t, "ok", c.ask("ping|_|_"), "the time runs from the answer")
		time.Sleep(23 * time.Second)
		require.Equal(t, "error", c.line())
		c.eof()
	})
}
