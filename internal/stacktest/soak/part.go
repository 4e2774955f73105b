package main

import (
	"os/exec"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

// A part is a random test that can be made long.
type part struct {
	name   string // for -only
	what   string // for people
	folder string // of its package
	test   string
	amount string // the environment variable that says how much a round does
	first  int    // how much the first round does
	seeds  bool   // each unit of the amount has a seed of its own

	counted string // the count that the goal is about
	goal    int

	needs   string // a program that must be on the path
	crowded bool   // it goes to the server that is watched

	tally
}

// A tally is what the rounds of a part did so far.
type tally struct {
	did        counts.Of
	rounds     int
	violations int
	from, next uint64  // seeds: the first one, and the next one
	pace       float64 // amount a second, in the last round
	last       int     // amount of the last round
}

const (
	stack    = "internal/stacktest"
	table    = "dflockd/internal/locktable"
	etcdtest = "engines/etcd/etcdtest"
	redis    = "engines/redis"
	minutes  = "simulated-minutes"
	day      = 24 * 60 // of them
)

// simulation is a part that simulates worlds.
func simulation(name, what, test string, days int) *part {
	return &part{
		name: name, what: what, folder: stack, test: test, amount: "BERTH_SIMULATIONS", first: 2, seeds: true,
		counted: minutes, goal: days * day,
	}
}

// parts are what a run consists of. In each of them something is compared all the
// time: a table with its model, a history with what may be, the contexts of those who
// hold slots with the limit.
var parts = []*part{
	{
		name: "table", what: "the lock table beside its model", folder: table, test: "TestTableDoesWhatTheModelDoes",
		amount: "BERTH_TABLE_STEPS", first: 200_000, counted: "steps", goal: 1_000_000_000,
	},
	{
		name: "histories", what: "concurrent histories of a server, checked for linearizability", folder: stack,
		test: "TestConcurrentHistoriesAreLinearizable", amount: "BERTH_HISTORIES", first: 500, seeds: true,
		counted: "histories", goal: 10_000,
	},
	{
		name: "sources", what: "histories of what claimants see, strict server under faults", folder: stack,
		test: "TestHistoriesOfSourcesUnderFaultsAreLinearizable", amount: "BERTH_HISTORIES", first: 20, seeds: true,
		counted: "histories", goal: 2000,
	},
	simulation("strict", "machines, faults and restarts, strict server", "TestLimitHoldsUnderAnyFaultOfAStrictServer", 5),
	simulation("immediate", "the same, immediate release", "TestOverlapIsBoundUnderAnyFaultOfAnImmediateServer", 4),
	simulation("seen", "the same, faults that both ends see", "TestOverlapIsAMomentWhereTheBreakIsSeen", 2),
	simulation("all", "slots of two limits at once, strict server", "TestEachLimitOfAllHoldsUnderAnyFault", 2),
	simulation("limits", "limits that change, pauses, slots taken back, strict server", "TestEachClaimsLimitHoldsUnderAnyFaultWhileLimitsChange", 3),
	{
		name: "conformance", what: "what the whole stack did under faults, replayed in the model", folder: stack,
		test: "TestWhatTheStackDoesUnderFaultsTheModelCanDo", amount: "BERTH_SIMULATIONS", first: 4, seeds: true,
		counted: minutes, goal: 5 * day,
	},
	{
		name: "clocks", what: "clocks of different rates, wall clocks that jump, strict server", folder: "dflockd",
		test: "TestLimitHoldsWhateverTheClocksDo", amount: "BERTH_SIMULATIONS", first: 2, seeds: true,
		counted: minutes, goal: 20 * day,
	},
	{
		name: "hostile", what: "hostile clients beside honest machines, both modes", folder: stack,
		test: "TestHonestMachinesGetOnBesideHostileClients", amount: "BERTH_SIMULATIONS", first: 2, seeds: true,
		counted: "attacks", goal: 100_000,
	},
	{
		name: "local", what: "slots in one process, limits that change", folder: stack,
		test: "TestEachClaimsLimitOfALocalSourceHoldsWhateverClaimantsDo", amount: "BERTH_SIMULATIONS", first: 2, seeds: true,
		counted: minutes, goal: 20 * day,
	},
	{
		name: "processes", what: "real servers and workers, killed and stopped", folder: stack,
		test: "TestLimitHoldsWhileProcessesAreKilledAndStopped", amount: "BERTH_KILLS", first: 4,
		counted: "kills", goal: 200,
	},
	{
		name: "crowd", what: "3,000 connections to the server that is watched", folder: "dflockd/server",
		test: "TestACrowdKeepsItsLimitsAndLeavesNothing", amount: "BERTH_CROWD_SECONDS", first: 3,
		counted: "seconds", goal: 300, crowded: true,
	},
	{
		name: "redis", what: "engines/redis under faults of the network, Redis in memory", folder: redis,
		test: "TestLimitHoldsUnderAnyFaultOfTheNetwork", amount: "BERTH_REDIS_SWEEPS", first: 2, seeds: true,
		counted: minutes, goal: day,
	},
	{
		name: "redis-histories", what: "histories of what claimants see, engines/redis under faults", folder: redis,
		test: "TestHistoriesUnderFaultsAreLinearizable", amount: "BERTH_HISTORIES", first: 4, seeds: true,
		counted: "histories", goal: 500,
	},
	{
		name: "redis-line", what: "the script of engines/redis beside its model", folder: redis,
		test: "TestScriptDoesWhatTheModelDoes", amount: "BERTH_REDIS_LINES", first: 1, seeds: true,
		counted: "steps", goal: 500_000,
	},
	{
		name: "redis-server", what: "a real Redis that is killed and stopped", folder: redis,
		test: "TestLimitHoldsWhileARealServerIsKilledAndStopped", amount: "BERTH_REDIS_KICKS", first: 2,
		counted: "kills", goal: 50, needs: "redis-server",
	},
	{
		name: "etcd", what: "engines/etcd under faults of the network", folder: etcdtest,
		test: "TestLimitHoldsUnderAnyFaultOfTheNetwork", amount: "BERTH_SWEEP", first: 6,
		counted: "seconds", goal: 300,
	},
	{
		name: "etcd-histories", what: "histories of what claimants see, engines/etcd under faults", folder: etcdtest,
		test: "TestHistoriesUnderFaultsAreLinearizable", amount: "BERTH_HISTORIES", first: 4, seeds: true,
		counted: "histories", goal: 100,
	},
	{
		name: "etcd-members", what: "engines/etcd while members of the cluster are killed and stopped", folder: etcdtest,
		test: "TestLimitHoldsWhileMembersAreFrozenAndKilled", amount: "BERTH_SWEEP", first: 6,
		counted: "seconds", goal: 300,
	},
}

// missing returns what the part needs and this machine has not.
func (p *part) missing() string {
	if p.needs == "" {
		return ""
	}
	if _, err := exec.LookPath(p.needs); err != nil {
		return p.needs
	}
	return ""
}

// progress returns which share of its goal the part has reached; it may be over 1.
func (p *part) progress() float64 { return float64(p.did[p.counted]) / float64(p.goal) }
