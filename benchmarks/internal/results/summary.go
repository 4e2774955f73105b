package results

import (
	"errors"
	"fmt"
	"strings"
)

// The README of the project shows the summary of a page between these lines.
const (
	summaryBegin = "<!-- written by make bench -->"
	summaryEnd   = "<!-- end of what make bench writes -->"
)

// A lead is a row that a reader asks for, and how the README puts it.
type lead struct{ row, says string }

// leads are the rows of the README.
var leads = []lead{
	{
		"claims, 64 workers, a key each: berth / the official client, on the original server",
		"claims of 64 workers on the original server: berth / the official Go client",
	},
	{
		"claims, 64 workers, a key each: berth on its own server / the official client on the original",
		"the same, each with its own server",
	},
	{
		"jobs of 1 µs with slot reuse, 8 workers / the official client",
		"jobs of 1 µs under slots that serve several, 8 workers: berth / the official Go client",
	},
	{
		"the same / a buffered channel, 1 producer",
		"a job in a pool without slots: berth / a buffered channel",
	},
	{
		"the same / conc with context and errors",
		"a job with a result in a pool without slots: berth / conc with context and errors",
	},
}

// Summary returns what a reader in a hurry needs of a page: when and where it
// was measured, and the leads of its table.
func Summary(page string) (string, error) {
	head, rest, ok := strings.Cut(page, targetHeading+"\n")
	if !ok {
		return "", errors.New("the page has no table of targets")
	}
	var w strings.Builder
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "Written by ") || strings.HasPrefix(line, "- Machine: ") {
			fmt.Fprintf(&w, "%s\n\n", strings.TrimSpace(line))
		}
	}
	table, _, _ := strings.Cut(rest, "\n## ")
	w.WriteString("| what | ratio | lowest and highest round | berth | beside it |\n|---|---|---|---|---|\n")
	for _, l := range leads {
		cells, err := l.find(table)
		if err != nil {
			return "", err
		}
		writeRow(&w, cells)
	}
	return w.String(), nil
}

// find returns the cells of the README's row.
func (l lead) find(table string) ([]string, error) {
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "|\n"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch name := strings.TrimSuffix(cells[0], stoodInMark); {
		case name != l.row:
		case cells[2] == "not measured":
			return []string{l.says, cells[2], "", "", ""}, nil
		default:
			says := l.says + strings.TrimPrefix(cells[0], name)
			return []string{says, cells[2], cells[3], cells[4], cells[5]}, nil
		}
	}
	return nil, fmt.Errorf("the table of targets has no row %q: change the leads of the README", l.row)
}

// InsertSummary returns readme with the summary of page in its place.
func InsertSummary(readme, page string) (string, error) {
	summary, err := Summary(page)
	if err != nil {
		return "", err
	}
	before, rest, ok := strings.Cut(readme, summaryBegin+"\n")
	if !ok {
		return "", fmt.Errorf("it has no line %q", summaryBegin)
	}
	_, after, ok := strings.Cut(rest, summaryEnd)
	if !ok {
		return "", fmt.Errorf("it has no line %q", summaryEnd)
	}
	return before + summaryBegin + "\n\n" + summary + "\n" + summaryEnd + after, nil
}
