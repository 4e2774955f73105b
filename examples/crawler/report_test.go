package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/site"
)

// good is the report of a run in which all went well.
func good() *report {
	return &report{
		settings: settings{pages: 3000, procs: 3, workers: 32, slots: 12, perHost: 4},
		local:    true, ownServer: true,
		counts: frontier.Counts{Fetched: 3000, Full: 2900, FullHost: 2500},
		seen:   site.Seen{Peak: 12, PeakHost: 4, Busiest: "src/net"},
	}
}

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report)
		fault  string
	}{
		"all is well":                        {func(r *report) {}, ""},
		"one over in all":                    {func(r *report) { r.seen.Peak = 13 }, "limit in all was passed: 13"},
		"one over on a host":                 {func(r *report) { r.seen.PeakHost = 5 }, "5 requests at once on src/net"},
		"never reached in all":               {func(r *report) { r.seen.Peak = 11 }, "limit in all was never reached"},
		"never reached on a host":            {func(r *report) { r.seen.PeakHost = 3 }, "limit per host was never reached"},
		"one over the rate":                  {func(r *report) { r.rate = 5; r.seen.Burst = 6 }, ""},
		"two over the rate":                  {func(r *report) { r.rate = 5; r.seen.Burst = 7 }, "7 requests began within a second"},
		"one over the rate of a host":        {func(r *report) { r.hostRate = 2; r.seen.BurstHost = 3 }, ""},
		"two over the rate of a host":        {func(r *report) { r.hostRate = 2; r.seen.BurstHost = 4 }, "rate per host was passed: 4"},
		"a host waits for its turn in all":   {func(r *report) { r.rate = 9; r.hostRate = 2; r.seen.BurstHost = 7 }, ""},
		"and for so long only":               {func(r *report) { r.rate = 9; r.hostRate = 2; r.seen.BurstHost = 8 }, "rate per host was passed: 8"},
		"a high rate":                        {func(r *report) { r.rate = 1000; r.seen.Burst = 1006 }, ""},
		"over a high rate":                   {func(r *report) { r.rate = 1000; r.seen.Burst = 1007 }, "where 1006 may"},
		"a rate leaves slots unused":         {func(r *report) { r.rate = 5; r.seen.Peak = 1; r.seen.PeakHost = 1 }, ""},
		"a lost page":                        {func(r *report) { r.lost = 1 }, "1 pages were lost"},
		"nobody was killed":                  {func(r *report) { r.kill = true }, "no worker was killed"},
		"too few pages to reach it":          {func(r *report) { r.seen.Peak = 3; r.seen.PeakHost = 2; r.counts.Full = 20 }, ""},
		"too few workers to reach it":        {func(r *report) { r.seen.Peak = 9; r.settings.workers = 3 }, ""},
		"others may have had the slots":      {func(r *report) { r.seen.Peak = 9; r.ownServer = false }, ""},
		"one host cannot have all":           {func(r *report) { r.seen.PeakHost = 6; r.perHost = 8 }, ""},
		"a real site does not tell":          {func(r *report) { r.local = false; r.seen = site.Seen{} }, ""},
		"a lost page of a real site":         {func(r *report) { r.local = false; r.lost = 2 }, "2 pages were lost"},
		"others' slots do not excuse excess": {func(r *report) { r.seen.Peak = 13; r.ownServer = false }, "was passed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.change(r)
			if c.fault == "" {
				require.Empty(t, r.faults())
				require.Equal(t, exitOK, r.status())
				require.Contains(t, r.String(), "ok:")
				return
			}
			require.Len(t, r.faults(), 1)
			require.Contains(t, r.faults()[0], c.fault)
			require.Equal(t, exitFailed, r.status())
			require.Contains(t, r.String(), "FAILED: ")
			require.NotContains(t, r.String(), "ok:")
		})
	}
}

func TestReportSaysForHowLongAllSlotsWereInUseWhilePagesWereLeft(t *testing.T) {
	r := good()
	r.took = 10 * time.Second
	r.seen.Full, r.seen.Met, r.seen.Wanted = 8*time.Second, 7600*time.Millisecond, 8*time.Second
	require.Contains(t, r.String(), "in use for 8.0 s of 10.0 s (80 %)")
	require.Contains(t, r.String(), "while pages were left for all of them: for 7.6 s of 8.0 s (95 %)")
	r.seen.Met, r.seen.Wanted = 0, 0
	require.NotContains(t, r.String(), "while pages were left")
}

func TestExcessAfterADeathIsExplainedWhereTheServerIsNotStrict(t *testing.T) {
	const hint = "--no-auto-release-on-disconnect"
	r := good()
	r.seen.Peak, r.ownServer, r.dead = 13, false, []death{{2, 30}}
	require.Contains(t, r.String(), hint)
	r.dead = nil
	require.NotContains(t, r.String(), hint)
	r.seen.Peak, r.dead = 12, []death{{2, 30}}
	require.NotContains(t, r.String(), hint)
}

func TestInterruptedRunIsNeitherGoodNorBad(t *testing.T) {
	r := good()
	r.interrupted, r.lost = true, 5
	require.Equal(t, exitInterrupted, r.status())
	require.NotContains(t, r.String(), "ok:")
	require.NotContains(t, r.String(), "FAILED")
}

func TestNumbersAreGroupedByThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567"} {
		require.Equal(t, want, group(n))
	}
}
