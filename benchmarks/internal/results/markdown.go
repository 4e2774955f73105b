// Package results writes what a run of the suite gave: tables as Markdown,
// charts as SVG, and each round as CSV.
package results

import (
	"fmt"
	"strings"

	"github.com/berth-go/berth/benchmarks/internal/stat"
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/internal/svg"
)

// A Run is everything that is known about one run of the suite.
type Run struct {
	Machine  Machine
	Date     string
	Rounds   int
	Notes    []string // one line each: loads, versions, what was reduced
	Outcomes []suite.Outcome
}

// PlainRatio says how the plain client compares with the official one, whose
// place it takes: what runs with both, release 1.10, gave.
const PlainRatio = "it does 0.95 to 1.3 times as many jobs a second as that, and 0.75 to 1.0 times with TLS"

const targetHeading = "## Target and measured"

// Markdown returns the run as a page.
func (r Run) Markdown() string {
	var w strings.Builder
	fmt.Fprintf(&w, "# Measured\n\nWritten by `make bench` on %s.\n\n", r.Date)
	fmt.Fprintf(&w, "- Machine: %s.\n", r.Machine)
	fmt.Fprintf(&w, "- Medians of %d interleaved rounds; the spread is the lowest and the highest round. A ratio is taken in each "+
		"round by itself. Figures of two runs are not to be compared: ratios are.\n", r.Rounds)
	if r.stoodIn() {
		fmt.Fprintf(&w, "- Rows marked * use a plain client in place of the official Go client: %s.\n", PlainRatio)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&w, "- %s\n", note)
	}
	fmt.Fprintf(&w, "\n%s\n\n", targetHeading)
	r.writeTargets(&w)
	for _, outcome := range r.Outcomes {
		writeSides(&w, outcome)
	}
	return w.String()
}

func (r Run) writeTargets(w *strings.Builder) {
	w.WriteString("| what | target | measured | spread | berth | beside it | met |\n|---|---|---|---|---|---|---|\n")
	for _, outcome := range r.Outcomes {
		for _, m := range outcome.Measured() {
			writeRow(w, append([]string{rowName(m), m.Target.String()}, figures(m)...))
		}
	}
}

// stoodInMark marks a row in which a stand-in took the place of what is named.
const stoodInMark = " *"

func rowName(m suite.Measured) string {
	if m.StoodIn {
		return m.What + stoodInMark
	}
	return m.What
}

// stoodIn reports whether that is so for any row.
func (r Run) stoodIn() bool {
	for _, outcome := range r.Outcomes {
		for _, m := range outcome.Measured() {
			if m.StoodIn {
				return true
			}
		}
	}
	return false
}

// figures are the cells of a row that differ from run to run.
func figures(m suite.Measured) []string {
	if m.Missing != "" {
		return []string{"not measured", "", "", "", m.Missing}
	}
	met := "no"
	if m.Target.Met(m.Summary.Median) {
		met = "yes"
	}
	beside := ""
	if _, base := m.Sides(); base != "" {
		beside = m.Of.Amount(m.Base)
	}
	return []string{
		"**" + m.Target.Format(m.Summary.Median) + "**",
		spread(m.Summary),
		m.Of.Amount(m.Side),
		beside,
		met,
	}
}

// writeSides writes what the sides of a group gave, each by itself, and shows
// the group's charts.
func writeSides(w *strings.Builder, o suite.Outcome) {
	fmt.Fprintf(w, "\n## %s\n\n", o.Group.Name)
	for _, c := range o.Group.Charts {
		fmt.Fprintf(w, "%s\n\n", svg.Picture(c.File, c.Title))
	}
	w.WriteString("| side | figure | spread | jobs a second | allocations a job |\n|---|---|---|---|---|\n")
	for _, side := range o.Group.Sides {
		writeRow(w, append([]string{side.Name}, sideFigures(o, side)...))
	}
}

func sideFigures(o suite.Outcome, side suite.Side) []string {
	if why := o.Absent[side.Name]; why != "" {
		return []string{why, "", "", ""}
	}
	if side.Once {
		return []string{extras(o, side), "", "", ""}
	}
	ns, _ := o.Summary(side.Name, suite.PerJob)
	allocs, _ := o.Summary(side.Name, suite.Allocs)
	return []string{amount(ns, suite.PerJob), spread(ns), suite.Figure(1e9 / ns.Median), suite.Figure(allocs.Median)}
}

// extras lists the figures that a scenario reported.
func extras(o suite.Outcome, side suite.Side) string {
	var all []string
	for _, metric := range o.Metrics(side.Name) {
		s, _ := o.Summary(side.Name, metric)
		all = append(all, fmt.Sprintf("%s (%s)", amount(s, metric), spread(s)))
	}
	return strings.Join(all, ", ")
}

func amount(s stat.Summary, metric string) string { return suite.Value("", metric).Amount(s) }

func spread(s stat.Summary) string {
	return suite.Figure(s.Low) + " to " + suite.Figure(s.High)
}

func writeRow(w *strings.Builder, cells []string) {
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}
