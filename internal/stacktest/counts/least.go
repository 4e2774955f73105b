package counts

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
)

// Least is how much each suite must have tried when go test work ran on 64 bits
// without the race detector. The numbers are those that the tests choose; where
// chance has a part in them they are well below what was ever seen. The model and
// the mutation gate have steps of CI of their own, which say what must run there.
var Least = Total{
	// The lock table beside its model, and local slots.
	"dflockd/internal/locktable.TestTableDoesWhatTheModelDoes":                     {"steps": 2_000_000},
	"dflockd/internal/locktable.TestEveryShortHistoryDoesWhatTheModelDoes":         {"histories": 104_976},
	"dflockd/internal/locktable.TestEachClaimKeepsItsOwnLimitInEveryOrderOfClaims": {"histories": 200_000},
	"slot.TestALocalSourceKeepsEachClaimsOwnLimitInEveryOrder":                     {"histories": 5000},

	// The whole stack in simulated time.
	"internal/stacktest.TestLimitHoldsUnderAnyFaultOfAStrictServer":             faulty(9),
	"internal/stacktest.TestOverlapIsBoundUnderAnyFaultOfAnImmediateServer":     faulty(9),
	"internal/stacktest.TestOverlapIsAMomentWhereTheBreakIsSeen":                faulty(4),
	"internal/stacktest.TestEachLimitOfAllHoldsUnderAnyFault":                   faulty(9),
	"internal/stacktest.TestEachClaimsLimitHoldsUnderAnyFaultWhileLimitsChange": faulty(9),
	"dflockd.TestStrictLimitHoldsUnderFaults":                                   {"claims": 1000},

	// What the stack has done, replayed in the model of the protocol.
	"internal/stacktest.TestWhatTheStackDoesUnderFaultsTheModelCanDo":            {"simulated-minutes": 20, "events": 20_000, "grants": 1000, "kinds-of-events": 12},
	"internal/stacktest.TestWhatTheStackDoesWhileLimitsChangeTheModelCanDo":      {"events": 5000, "slots-begun": 500, "pauses": 1},
	"internal/stacktest.TestWhatProcessesThatAreKilledAndStoppedDoTheModelCanDo": {"events": 400, "slots-begun": 20},
	"internal/stacktest.TestATraceThatIsCorruptedIsNoRunOfTheModel":              {"corruptions-noticed": 350},

	// Answers of servers: concurrent ones, and those that the original server gave.
	"internal/stacktest.TestConcurrentHistoriesAreLinearizable": {"histories": 1000, "operations": 50_000, "kinds-of-answers": 7},
	"dflockd/server.TestTranscripts":                            {"transcripts": 31, "lines": 600},

	"internal/stacktest.TestHistoriesOfSourcesUnderFaultsAreLinearizable": {"histories": 40, "grants": 40, "operations": 80},
	"engines/redis.TestHistoriesUnderFaultsAreLinearizable":               {"histories": 4, "grants": 40, "operations": 120},
	"engines/etcd/etcdtest.TestHistoriesUnderFaultsAreLinearizable":       {"histories": 4, "grants": 5, "operations": 9},

	// Clocks, and clients that mean harm.
	"dflockd.TestLimitHoldsWhateverTheClocksDo":                                    {"simulated-minutes": 480, "faults": 100, "grants": 200, "jumps-of-clocks": 50},
	"internal/stacktest.TestHonestMachinesGetOnBesideHostileClients":               {"simulated-minutes": 10, "attacks": 200, "kinds-of-attacks": 13, "grants": 1000},
	"internal/stacktest.TestEachClaimsLimitOfALocalSourceHoldsWhateverClaimantsDo": {"simulated-minutes": 40, "grants": 1000, "claims-given-up": 1000},

	// Real processes.
	"internal/stacktest.TestLimitHoldsWhileProcessesAreKilledAndStopped": {"kills": 4, "stops": 4, "jobs": 20},

	// The other engines.
	"engines/redis.TestLimitHoldsUnderAnyFaultOfTheNetwork":              {"simulated-minutes": 10, "faults": 20, "grants": 100},
	"engines/redis.TestScriptDoesWhatTheModelDoes":                       {"steps": 4000, "grants-from-the-line": 1},
	"engines/redis.TestLimitHoldsWhileARealServerIsKilledAndStopped":     {"kills": 1, "stops": 1, "grants": 10},
	"engines/etcd/etcdtest.TestLimitHoldsUnderAnyFaultOfTheNetwork":      {"seconds": 6, "grants": 100},
	"engines/etcd/etcdtest.TestLimitHoldsWhileMembersAreFrozenAndKilled": {"seconds": 6, "grants": 1, "kills-and-stops": 1},
}

// faulty is what each simulation of worlds with so many kinds of faults must count.
func faulty(kinds int) Of {
	return Of{"simulated-minutes": 90, "faults": 150, "kinds-of-faults": kinds, "grants": 1000}
}

// needs are the programs without which suites are left out. CI has them.
var needs = map[string]string{
	"engines/redis.TestLimitHoldsWhileARealServerIsKilledAndStopped": "redis-server",
}

// leftOut reports whether a suite cannot run here.
func leftOut(suite string) bool {
	program := needs[suite]
	if program == "" {
		return false
	}
	_, err := exec.LookPath(program)
	return err != nil
}

// Shortfalls says for each suite of the table what it counted too little of, and
// which suites the table does not know.
func (least Total) Shortfalls(got Total) (all []string) {
	for _, suite := range slices.Sorted(maps.Keys(least)) {
		if got[suite] == nil {
			if !leftOut(suite) {
				all = append(all, suite+" did not run")
			}
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(least[suite])) {
			if n, want := got[suite][name], least[suite][name]; n < want {
				all = append(all, fmt.Sprintf("%s: %d %s, and there must be %d", suite, n, name, want))
			}
		}
	}
	for _, suite := range slices.Sorted(maps.Keys(got)) {
		if least[suite] == nil {
			all = append(all, suite+" is not in the table of package counts: say there how much it must count")
		}
	}
	return all
}
