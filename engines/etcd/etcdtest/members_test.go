package etcdtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// three starts a cluster of three members.
func three(t *testing.T) *etcdtest.Cluster {
	t.Helper()
	c, err := etcdtest.Start(3)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestSourceKeepsThePromisesOfASourceOnThreeMembers(t *testing.T) {
	c := three(t)
	slottest.Run(t, func(t *testing.T) slottest.Harness { return newHarness(t, c, 2) })
}

func TestSlotsAndPlacesSurviveTheLossOfTheLeader(t *testing.T) {
	t.Parallel()
	c := three(t)
	prefix := newPrefix()
	opts := []etcd.Option{etcd.WithLease(30 * time.Second), etcd.WithRequestTimeout(time.Second)}
	src := newSource(t, connect(t, c), prefix, slot.Keyed("k:", 1), opts...)
	peer := newSource(t, connect(t, c), prefix, slot.Keyed("k:", 1), opts...)
	held := claim(t, src, "x")
	first, second := queued(t, peer, "x"), queued(t, src, "x")
	leader := c.Leader()
	require.GreaterOrEqual(t, leader, 0)
	c.Stop(leader)
	waitFor(t, "another leads", func() bool { return c.Leader() >= 0 })
	require.NoError(t, held.Context().Err())
	require.NoError(t, held.Release())
	s := grantOf(t, first)
	_, ok := second.Slot()
	require.False(t, ok)
	require.NoError(t, s.Release())
	require.NoError(t, grantOf(t, second).Release())
	waitFor(t, "claims are served", func() bool {
		s, ok, err := src.Try(t.Context(), "y")
		return err == nil && ok && s.Release() == nil
	})
}
