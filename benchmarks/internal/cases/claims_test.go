package cases

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// sharedEnv is made once, so that our server is compiled once.
var sharedEnv = sync.OnceValues(func() (*Env, error) {
	return NewEnv(context.Background(), scratch, true)
})

func testEnv(t *testing.T) *Env {
	env, err := sharedEnv()
	require.NoError(t, err)
	return env
}

// small is a load that soon has jobs meet each other.
var small = load{workers: 4, keys: 2, limit: 1}

func TestEveryWayOfClaimingPassesItsOwnChecks(t *testing.T) {
	env := testEnv(t)
	for name, w := range map[string]way{
		"dialing": dialing, "keeping": keeping, "locking": locking, "sourcing": sourcing, "oneEach": oneEach, "reusing": reusing,
	} {
		require.NoError(t, measure(t, env.claims(ours, small, w)), name)
	}
}

func TestClaimsOverTLSAreCountedToo(t *testing.T) {
	require.NoError(t, measure(t, testEnv(t).claims(flavour{ours: true, secure: true}, small, oneEach)))
}

func TestClaimsOfOtherProcessesPassTheirOwnChecksWhereTheyAreAtHand(t *testing.T) {
	env := testEnv(t)
	for name, f := range map[string]func(*testing.B) error{
		"the official client":     env.claims(ours, small, env.official()),
		"dflockd":                 env.engineClaims(berthOnDflockd, small),
		"etcd":                    env.engineClaims(berthOnEtcd, small, "-claims-before", "70", "-keys-held", "3", "-waiting", "2"),
		"Redis":                   env.engineClaims(berthOnRedis, small, "-claims-before", "70", "-keys-held", "3", "-waiting", "2"),
		"etcd's Mutex":            env.engineClaims(etcdMutex, small),
		"redislock":               env.engineClaims(redisLock, small),
		"a SET NX poller":         env.engineClaims(redisSetNX, small),
		"a poller of sorted sets": env.engineClaims(redisSortedSet, load{workers: 4, keys: 1, limit: 2}),
	} {
		t.Run(name, func(t *testing.T) {
			err := measure(t, f)
			if errors.Is(err, suite.ErrMissing) {
				t.Skip(err)
			}
			require.NoError(t, err)
		})
	}
}

func TestWhatADriverReportsIsChecked(t *testing.T) {
	r := newRun(load{workers: 2, keys: 1, limit: 2})
	r.apart = &driver.Report{Ran: 5, Most: 2}
	require.NoError(t, r.check(5))
	require.ErrorContains(t, r.check(6), "ran 5 jobs, should have run 6")
	r.apart.Most = 3
	require.ErrorContains(t, r.check(5), "3 jobs ran at once, the limit is 2")
}

// cheating returns a way whose workers do work instead of claiming.
func cheating(work func(c *plain.Conn, r *run, i int) error) way {
	return way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
		return startWorkers(r.workers, func(i int) (func() error, func(), error) {
			c, err := d.Dial()
			if err != nil {
				return nil, nil, err
			}
			return func() error { return work(c, r, i) }, func() { _ = c.Close() }, nil
		})
	}}
}

func TestJobsWithoutAClaimAreNoticed(t *testing.T) {
	calm := load{workers: 4, keys: 4, limit: 1}
	w := cheating(func(_ *plain.Conn, r *run, i int) error { r.do(i); return nil })
	require.ErrorContains(t, measure(t, testEnv(t).claims(ours, calm, w)), "the server granted 0 slots for 12 claims and 12 jobs")
}

func TestASlotThatIsNotGivenBackIsNoticed(t *testing.T) {
	calm := load{workers: 4, keys: 4, limit: 100}
	w := cheating(func(c *plain.Conn, r *run, i int) error {
		_, err := c.Acquire(r.key(i), r.limit)
		r.do(i)
		return err
	})
	require.ErrorContains(t, measure(t, testEnv(t).claims(ours, calm, w)), "were released")
}

func TestAClientThatAsksForMoreSlotsThanThereAreIsNoticed(t *testing.T) {
	crowded := load{workers: 8, keys: 1, limit: 1}
	meet := make(chan bool) // two at a time, so that they do meet
	w := cheating(func(c *plain.Conn, r *run, i int) error {
		token, err := c.Acquire(r.key(i), r.limit+7)
		if err != nil {
			return err
		}
		r.gates[0].Enter()
		select {
		case meet <- true:
		case <-meet:
		}
		r.gates[0].Leave()
		return c.Release(r.key(i), token)
	})
	require.ErrorContains(t, measure(t, testEnv(t).claims(ours, crowded, w)), "jobs ran at once, the limit is 1")
}

func TestGrantsThatTheServerCountsMustMatchClaimsAndJobs(t *testing.T) {
	s, err := testEnv(t).start(ours)
	require.NoError(t, err)
	defer s.Stop()
	before, err := s.grants()
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.Once("key", 1, func() {}))
	}
	after, err := s.grants()
	require.NoError(t, err)
	counted := after - before
	require.NoError(t, s.checkGrants(way{}, &run{}, counted, 3))
	require.ErrorContains(t, s.checkGrants(way{}, &run{}, counted, 2), "granted 3 slots for 2 claims")
	require.ErrorContains(t, s.checkGrants(way{}, &run{}, counted, 4), "granted 3 slots for 4 claims")
	// A client may claim more than it needs, and jobs may share a slot.
	require.NoError(t, s.checkGrants(way{}, &run{claims: 4}, counted, 2))
	require.NoError(t, s.checkGrants(way{reuses: true}, &run{claims: 3}, counted, 100))
	require.Error(t, s.checkGrants(way{}, &run{claims: 4}, counted, 4))
}

func TestServerScenariosRunOnOurServer(t *testing.T) {
	env := testEnv(t)
	require.NoError(t, measure(t, env.visits(ours, comeAndGo(10))))
	require.NoError(t, measure(t, env.visits(ours, takeTurns(10))))
	require.NoError(t, measure(t, env.crowds(ours, 500, slowest, (*crowd).dropped)))
	require.NoError(t, measure(t, env.crowds(ours, 500, delay, (*crowd).behindDead)))
	require.NoError(t, measure(t, env.leases(ours, 100)))
}

func TestALeaseThatIsNotHeldIsNoticed(t *testing.T) {
	s, err := testEnv(t).start(ours)
	require.NoError(t, err)
	defer s.Stop()
	require.ErrorContains(t, s.refuses("nobody-holds-it"), "a lock that is held was answered")
	require.ErrorContains(t, s.eventuallyHolds("nobody-holds-it", 1), "0 slots")
}

func TestWithoutTheOriginalServerItsSidesAreLeftOut(t *testing.T) {
	t.Setenv(OriginalVariable, "")
	require.ErrorContains(t, measure(t, testEnv(t).claims(original, small, dialing)), "does not name the original server")
	t.Setenv(OriginalVariable, "/nowhere/dflockd")
	require.ErrorContains(t, measure(t, testEnv(t).claims(original, small, dialing)), "no such file")
}

func TestAReducedScenarioSaysSo(t *testing.T) {
	env, err := NewEnv(t.Context(), t.TempDir(), true)
	require.NoError(t, err)
	require.Equal(t, 380, env.size(19_000))
	require.Equal(t, 1, env.size(10))
	require.Len(t, env.Notes(), 1)
}
