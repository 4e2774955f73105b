package cases

import (
	"fmt"
	"strconv"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// Sides of the groups of engines.
const (
	berthDflockd   = "berth on dflockd"
	berthEtcd      = "berth on etcd"
	berthRedis     = "berth on Redis"
	etcdMutexSide  = "etcd's own Mutex"
	redisLockSide  = "Redis, bsm/redislock"
	redisSetNXSide = "Redis, SET NX asked every 1 to 3 ms"
	redisSetSide   = "Redis, sorted set asked every 1 to 3 ms"
)

func (e *Env) engineGroups() []suite.Group {
	var groups []suite.Group
	for _, keys := range []int{1, 8, 64} {
		groups = append(groups, e.etcdGroup(keys))
	}
	groups = append(groups, e.etcdContended())
	for _, keys := range []int{1, 8, 64} {
		groups = append(groups, e.redisGroup(keys))
	}
	groups = append(groups, e.redisContended())
	return append(groups,
		e.besideGroup("64 workers, a key each", load{workers: 64, keys: 64, limit: 1}),
		e.besideGroup("64 workers, one key, limit 16", load{workers: 64, keys: 1, limit: 16}),
		e.engineHandOverGroup(),
		e.engineGrowth("etcd", berthOnEtcd),
		e.engineGrowth("redis", berthOnRedis),
	)
}

// claimsOf returns a side of claims.
func (e *Env) claimsOf(name string, c client, l load) suite.Side {
	return suite.Side{Name: name, Ours: c.way == c.on.name, Run: e.engineClaims(c, l)}
}

func workersAndKeys(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers, a key each", n)
}

func (e *Env) etcdGroup(keys int) suite.Group {
	l := load{workers: keys, keys: keys, limit: 1}
	target := 1.5
	if keys == 64 {
		target = 2.5
	}
	what := "etcd, " + workersAndKeys(keys)
	return suite.Group{
		Name: "Engines, " + what, Area: suite.Engines, Engine: "etcd", Time: engineTime,
		Sides: []suite.Side{e.claimsOf(berthEtcd, berthOnEtcd, l), e.claimsOf(etcdMutexSide, etcdMutex, l)},
		Rows:  []suite.Row{{What: what + ": berth / etcd's own Mutex", Of: suite.Speed(berthEtcd, etcdMutexSide), Target: suite.AtLeast(target, "×")}},
	}
}

// etcdContended is for one slot: a mutex has no more.
func (e *Env) etcdContended() suite.Group {
	l := load{workers: 64, keys: 1, limit: 1}
	const what = "etcd, 64 workers, one key, limit 1"
	return suite.Group{
		Name: "Engines, " + what, Area: suite.Engines, Engine: "etcd", Time: engineTime,
		Sides: []suite.Side{e.claimsOf(berthEtcd, berthOnEtcd, l), e.claimsOf(etcdMutexSide, etcdMutex, l)},
		Rows:  []suite.Row{{What: what + ": berth / etcd's own Mutex", Of: suite.Speed(berthEtcd, etcdMutexSide), Target: suite.AtLeast(5, "×")}},
	}
}

func (e *Env) redisGroup(keys int) suite.Group {
	l := load{workers: keys, keys: keys, limit: 1}
	what := "Redis, " + workersAndKeys(keys)
	row := func(than, base string, target float64) suite.Row {
		return suite.Row{What: what + ": berth / " + than, Of: suite.Speed(berthRedis, base), Target: suite.AtLeast(target, "×")}
	}
	// One claim by itself costs two round trips, whoever makes it.
	lock, set := 0.8, 0.8
	if keys == 64 {
		lock, set = 1.4, 1.4
	}
	return suite.Group{
		Name: "Engines, " + what, Area: suite.Engines, Engine: "redis", Time: engineTime,
		Sides: []suite.Side{
			e.claimsOf(berthRedis, berthOnRedis, l), e.claimsOf(redisLockSide, redisLock, l),
			e.claimsOf(redisSetNXSide, redisSetNX, l), e.claimsOf(redisSetSide, redisSortedSet, l),
		},
		Rows: []suite.Row{row("bsm/redislock", redisLockSide, lock), row("a SET NX poller", redisSetNXSide, lock), row("a sorted-set poller", redisSetSide, set)},
	}
}

func (e *Env) redisContended() suite.Group {
	l := load{workers: 64, keys: 1, limit: 16}
	const what = "Redis, 64 workers, one key, limit 16"
	return suite.Group{
		Name: "Engines, " + what, Area: suite.Engines, Engine: "redis", Time: engineTime,
		Sides: []suite.Side{e.claimsOf(berthRedis, berthOnRedis, l), e.claimsOf(redisSetSide, redisSortedSet, l)},
		Rows:  []suite.Row{{What: what + ": berth / a sorted-set poller", Of: suite.Speed(berthRedis, redisSetSide), Target: suite.AtLeast(1.3, "×")}},
	}
}

// besideGroup has berth on each engine, in one run.
func (e *Env) besideGroup(what string, l load) suite.Group {
	return suite.Group{
		Name: "Engines beside each other, " + what, Area: suite.Engines, Time: engineTime,
		Sides: []suite.Side{e.claimsOf(berthDflockd, berthOnDflockd, l), e.claimsOf(berthEtcd, berthOnEtcd, l), e.claimsOf(berthRedis, berthOnRedis, l)},
	}
}

func (e *Env) engineHandOverGroup() suite.Group {
	side := func(name string, c client) suite.Side {
		return suite.Side{Name: name, Ours: c.way == c.on.name, Once: true, Run: e.engineHandOvers(c)}
	}
	return suite.Group{
		Name: "Engines, hand-over of a slot from one process to another", Area: suite.Engines,
		Sides: []suite.Side{
			side(berthDflockd, berthOnDflockd), side(berthEtcd, berthOnEtcd), side(berthRedis, berthOnRedis),
			side(etcdMutexSide, etcdMutex), side(redisLockSide, redisLock), side(redisSetSide, redisSortedSet),
		},
		Rows: []suite.Row{
			{What: "etcd, hand-over, p99: berth / etcd's own Mutex", Of: suite.Cost(berthEtcd, etcdMutexSide, handOver99), Target: suite.AtMost(1.2, "×")},
			{What: "Redis, hand-over, p99: berth / a sorted-set poller", Of: suite.Cost(berthRedis, redisSetSide, handOver99), Target: suite.AtMost(0.5, "×")},
			{What: "Redis, hand-over, p99: berth / bsm/redislock", Of: suite.Cost(berthRedis, redisLockSide, handOver99), Target: suite.AtMost(0.5, "×")},
		},
	}
}

// engineGrowth compares what a claim costs the server at first with what it costs later.
func (e *Env) engineGrowth(name string, c client) suite.Group {
	const fresh = "at first"
	l := load{workers: 8, keys: 8, limit: 1}
	g := suite.Group{
		Name: "Engines, " + name + ", a claim as things grow", Area: suite.Engines, Engine: name, Time: engineTime, Rounds: growthRounds,
		Sides: []suite.Side{{Name: fresh, Ours: true, Run: e.engineClaims(c, l)}},
	}
	for _, grown := range []struct {
		what, flag string
		n          int
	}{
		{"after 20,000 claims", "-claims-before", 20_000},
		{"beside 10,000 keys that others hold", "-keys-held", 10_000},
		{"beside a line of 1,000", "-waiting", 1_000},
	} {
		g.Sides = append(g.Sides, suite.Side{Name: grown.what, Ours: true, Run: e.engineClaims(c, l, grown.flag, strconv.Itoa(e.size(grown.n)))})
		g.Rows = append(g.Rows, suite.Row{
			What: name + ", server's processor time for a claim: " + grown.what + " / at first",
			Of:   suite.Cost(grown.what, fresh, serverCPU), Target: suite.AtMost(1.3, "×"),
		})
	}
	return g
}
