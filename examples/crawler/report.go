package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/site"
)

// A tally sums up pages.
type tally struct {
	pages, not200, failed int
	bytes                 int64
	links                 int
	noIndex               int
}

func (t *tally) add(r pipe.Result) {
	t.pages++
	t.bytes += r.Bytes
	t.links += len(r.Links)
	if r.Status != 200 {
		t.not200++
	}
	if r.NoIndex {
		t.noIndex++
	}
}

func (t *tally) plus(o tally) {
	t.pages += o.pages
	t.not200 += o.not200
	t.failed += o.failed
	t.bytes += o.bytes
	t.links += o.links
	t.noIndex += o.noIndex
}

// A report is what came of a crawl.
type report struct {
	settings
	took        time.Duration
	workers     []tally
	dead        []death
	counts      frontier.Counts
	lost        int      // URLs that were handed out and came to nothing
	unread      []string // start pages that were not read, and why
	forbidden   int      // URLs that robots.txt forbids
	given       []string // hosts that were given up, and why
	pauses      []string // hosts that were left alone for a while, and why
	local       bool
	seen        site.Seen // if local
	strict      bool
	ownServer   bool
	interrupted bool
	timeUp      bool
	wasKilled   bool
}

// A death is a worker process that died, and the URLs that it had.
type death struct{ worker, left int }

func (c *crawl) report() *report {
	r := &report{
		settings: c.settings, took: c.ended.Sub(c.began),
		counts: c.frontier.Counts(), lost: c.frontier.Lost(),
		local: c.world.local != nil, seen: c.seen, strict: c.world.strict,
		ownServer: c.settings.server == "", interrupted: !c.interrupted.IsZero(), timeUp: c.timeUp,
		forbidden: len(c.sites.forbidden), wasKilled: c.killed != nil, pauses: c.pauses.lines(),
	}
	for _, s := range c.sites.starts {
		if !s.read {
			r.unread = append(r.unread, fmt.Sprintf("%s was not read: %s", s.address, s.fault))
		}
	}
	for _, o := range c.sites.given {
		r.given = append(r.given, fmt.Sprintf("%s was given up: %s", o.name, o.over))
	}
	for _, w := range c.workers {
		r.workers = append(r.workers, w.sum)
		if w.left > 0 || w == c.killed {
			r.dead = append(r.dead, death{w.Number, w.left})
		}
	}
	return r
}

// nothing is the error that a crawl is which has nothing to report: not one page
// was read.
func (r *report) nothing() error {
	if r.interrupted || r.counts.Fetched > 0 || len(r.unread) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.unread, "; "))
}

// faults returns what went wrong, each in a line.
func (r *report) faults() (faults []string) {
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if r.interrupted {
		return nil
	}
	for _, text := range r.unread {
		add("the start page %s", text)
	}
	if r.lost > 0 && !r.timeUp {
		add("%s pages were lost: handed out and never fetched", group(r.lost))
	}
	if r.counts.Failed > 0 {
		add("%s pages could not be had", group(r.counts.Failed))
	}
	if r.counts.Left > 0 {
		add("%s pages were left, with hosts that were given up", group(r.counts.Left))
	}
	if n := r.counts.Waiting + r.counts.Out; r.timeUp && n > 0 {
		add("%s pages were left when -for %v had passed", group(n), r.limit)
	}
	if r.kill && !r.wasKilled && !r.timeUp {
		add("no worker was killed: there were fewer pages than a third of -pages")
	}
	if !r.local {
		return faults
	}
	if r.seen.Peak > r.slots {
		add("the limit in all was passed: %d requests at once, where %d are allowed", r.seen.Peak, r.slots)
	}
	if r.seen.PeakHost > r.perHost {
		add("the limit per host was passed: %d requests at once on %s, where %d are allowed", r.seen.PeakHost, r.seen.Busiest, r.perHost)
	}
	if r.rate > 0 && r.seen.Burst > mostStarts(r.rate) {
		add("the rate in all was passed: %d requests began within a second, where %d may", r.seen.Burst, mostStarts(r.rate))
	}
	if r.hostRate > 0 && r.seen.BurstHost > r.mostOnHost() {
		add("the rate per host was passed: %d requests began within a second on %s, where %d may", r.seen.BurstHost, r.seen.Bursting, r.mostOnHost())
	}
	if r.seen.Peak < r.slots && r.couldFill() {
		add("the limit in all was never reached, although there were pages enough")
	}
	if r.seen.PeakHost < r.perHost && r.couldFillHost() {
		add("the limit per host was never reached, although there were pages enough")
	}
	return faults
}

// mostStarts is how many requests may begin in any second at a rate: what slot.Pace
// promises of one that has no burst.
func mostStarts(rate int) int {
	patience := max(pace(rate)/2, 5*time.Millisecond) // how long after its grant a slot may be used
	return 1 + int(time.Duration(rate)*(time.Second+patience)/time.Second)
}

// mostOnHost is the same for a host, whose requests may wait for those in all.
func (r *report) mostOnHost() int {
	if r.rate > 0 {
		return mostStarts(r.hostRate) + r.perHost
	}
	return mostStarts(r.hostRate)
}

// passed reports whether a limit on requests at once was passed.
func (r *report) passed() bool {
	return r.local && (r.seen.Peak > r.slots || r.seen.PeakHost > r.perHost)
}

// couldFill reports whether all slots ought to have been in use at some time:
// there were workers enough, nobody else had slots of the same server, no rate
// slowed the crawl, and for a good while there were pages on hosts enough.
func (r *report) couldFill() bool {
	return r.ownServer && r.rate == 0 && r.hostRate == 0 && r.procs*r.settings.workers >= 2*r.slots && r.counts.Full >= 10*r.slots
}

// couldFillHost is the same for the slots of one host. Where those are nearly
// all slots, the other hosts always have some of them.
func (r *report) couldFillHost() bool {
	return r.couldFill() && 2*r.perHost <= r.slots && r.counts.FullHost >= 10*r.slots
}

// status is the exit status that the report calls for.
func (r *report) status() int {
	switch {
	case r.interrupted:
		return exitInterrupted
	case len(r.faults()) > 0:
		return exitFailed
	}
	return exitOK
}

// String is the report as it is shown.
func (r *report) String() string {
	var b bytes.Buffer
	fmt.Fprintln(&b)
	r.table(&b)
	fmt.Fprintln(&b)
	r.limits(&b)
	r.accounts(&b)
	for _, f := range r.faults() {
		fmt.Fprintf(&b, "FAILED: %s\n", f)
	}
	if r.passed() && len(r.dead) > 0 && !r.strict {
		fmt.Fprintln(&b, "A server that gives the slots of a dead process to others at once cannot know that the site is still at work")
		fmt.Fprintln(&b, "for it. One started with --no-auto-release-on-disconnect lets the leases of those slots end first.")
	}
	switch {
	case r.interrupted:
		fmt.Fprintln(&b, "interrupted before all was done")
	case r.status() == exitOK && r.local:
		fmt.Fprintln(&b, "ok: the limits were never passed, and no page was lost")
	case r.status() == exitOK:
		fmt.Fprintln(&b, "ok: the page to start from was read, and no page was lost")
	}
	return b.String()
}

// table shows what was fetched, by whom.
func (r *report) table(b *bytes.Buffer) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tpages\tnot 200\tno answer\tMB\tlinks\tpages/s\t")
	row := func(name string, t tally) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f\t%s\t%.1f\t\n", name, group(t.pages), group(t.not200), group(t.failed),
			float64(t.bytes)/1e6, group(t.links), float64(t.pages)/max(r.took.Seconds(), 0.001))
	}
	var all tally
	for i, t := range r.workers {
		row(fmt.Sprint("worker ", i+1), t)
		all.plus(t)
	}
	row("all", all)
	w.Flush()
	if all.noIndex > 0 {
		fmt.Fprintf(b, "%s pages ask not to be kept; the crawler keeps none\n", group(all.noIndex))
	}
}

// limits shows what the site saw beside what was allowed.
func (r *report) limits(b *bytes.Buffer) {
	if !r.local {
		fmt.Fprintf(b, "limits: %d requests at once in all, %d on a host; a real site does not tell what it saw\n", r.slots, r.perHost)
		for _, text := range append(r.pauses, r.given...) {
			fmt.Fprintln(b, text)
		}
		if r.forbidden > 0 {
			fmt.Fprintf(b, "not asked for since robots.txt forbids it: %s URLs\n", group(r.forbidden))
		}
		return
	}
	fmt.Fprintf(b, "requests at once, as the site saw them: at most %d in all (limit %d), at most %d on one host (limit %d), such as %s\n",
		r.seen.Peak, r.slots, r.seen.PeakHost, r.perHost, r.seen.Busiest)
	if r.rate > 0 {
		fmt.Fprintf(b, "requests begun in any second: at most %d in all (where %d may)\n", r.seen.Burst, mostStarts(r.rate))
	}
	if r.hostRate > 0 {
		fmt.Fprintf(b, "requests begun in any second on a host: at most %d (where %d may), such as %s\n", r.seen.BurstHost, r.mostOnHost(), r.seen.Bursting)
	}
	if r.unlimited || r.rate > 0 || r.hostRate > 0 {
		return // the slots were not what set the pace
	}
	fmt.Fprintf(b, "all %d slots were in use for %.1f s of %.1f s (%.0f %%), %.1f of them on average\n",
		r.slots, r.seen.Full.Seconds(), r.took.Seconds(), percent(r.seen.Full, r.took), r.seen.Mean)
	if r.seen.Wanted > 0 {
		fmt.Fprintf(b, "while pages were left for all of them: for %.1f s of %.1f s (%.0f %%)\n",
			r.seen.Met.Seconds(), r.seen.Wanted.Seconds(), percent(r.seen.Met, r.seen.Wanted))
	}
}

func percent(part, whole time.Duration) float64 {
	return 100 * part.Seconds() / max(whole.Seconds(), 0.001)
}

// accounts shows what became of every URL, and of those of dead workers.
func (r *report) accounts(b *bytes.Buffer) {
	c := r.counts
	lost := "lost"
	if r.interrupted || r.timeUp {
		lost = "left unfinished"
	}
	fmt.Fprintf(b, "URLs: %s found, %s fetched, %s without an answer, %s not asked for, %s %s\n",
		group(c.Known), group(c.Fetched), group(c.Failed), group(c.Waiting+c.Out-r.lost+c.Left), group(r.lost), lost)
	for _, d := range r.dead {
		if r.interrupted {
			fmt.Fprintf(b, "worker %d had %d URLs that it did not finish\n", d.worker, d.left)
			continue
		}
		fmt.Fprintf(b, "worker %d died: the other workers got the %d URLs that it had not finished", d.worker, d.left)
		if r.strict && !r.unlimited {
			fmt.Fprintf(b, ", and its slots when their leases had ended, %v later at most", lease)
		}
		fmt.Fprintln(b)
	}
	if c.GivenBack > 0 && !r.interrupted {
		fmt.Fprintf(b, "given back unfinished: %s, of which fetched again: %s\n", group(c.GivenBack), group(c.Again))
	}
}

// group writes n with its thousands apart.
func group(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// trimLine returns what was written without the line ends around it.
func trimLine(b []byte) string { return strings.TrimSpace(string(b)) }
