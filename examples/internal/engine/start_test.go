package engine_test

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/examples/internal/enginetest"
	"github.com/berth-go/berth/slot"
)

func TestAnEngineThatWasStartedGrantsSlotsUntilItIsClosed(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Dflockd, engine.Etcd, engine.Redis} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // it mostly waits
			enginetest.Need(t, kind)
			s, err := engine.Start(kind, io.Discard)
			require.NoError(t, err)
			defer s.Close()
			require.Eventually(t, func() bool { return engine.Reach(s.URL, slot.Fixed("k", 1)) == nil }, time.Minute, 50*time.Millisecond, "with a grace, it grants after a while")

			e, err := engine.Open(s.URL)
			require.NoError(t, err)
			src, err := e.Source(slot.Fixed("k", 1), 5*time.Second)
			require.NoError(t, err)
			ticket, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
			held, err := ticket.Wait(t.Context())
			require.NoError(t, err)
			require.NoError(t, engine.Reach(s.URL, slot.Fixed("k", 1)), "all taken is no fault")
			require.NoError(t, engine.Reach(s.URL, slot.Fixed("k", 2)), "another limit is none either")
			require.NoError(t, held.Release())
			require.NoError(t, src.Close(t.Context()))
			require.NoError(t, e.Close())
			require.NoError(t, s.Close())
			require.ErrorContains(t, engine.Reach(s.URL, slot.Fixed("k", 1)), s.Address())
		})
	}
}

func TestARedisThatWasStartedLeavesNothingBehind(t *testing.T) {
	enginetest.Need(t, engine.Redis)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s, err := engine.Start(engine.Redis, io.Discard)
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, s.Close())
	left, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestARedisThatIsNotInstalledIsNamedWithTheWayToInstallIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := engine.Start(engine.Redis, io.Discard)
	require.ErrorContains(t, err, "there is no redis-server on the path: install one (apt-get install redis-server")
}
