package results

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Shape returns what stays the same from run to run of a page that Markdown
// wrote: its headings, its charts, the names of its rows and their targets.
func Shape(page string) []string {
	var shape []string
	targets := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			targets = line == targetHeading
			shape = append(shape, line)
		case strings.HasPrefix(line, "<picture>"):
			shape = append(shape, line)
		case strings.HasPrefix(line, "| "):
			shape = append(shape, rowShape(line, targets))
		}
	}
	return shape
}

func rowShape(line string, target bool) string {
	cells := strings.Split(line, " | ")
	keep := 1
	if target {
		keep = 2
	}
	cells[0] = strings.TrimSuffix(cells[0], stoodInMark) // it depends on what is installed
	return strings.Join(cells[:min(keep, len(cells))], " | ")
}

// Compare returns an error that lists each line that one of two shapes has and
// the other has not, or says that the order differs.
func Compare(fresh, committed []string) error {
	var errs []error
	for _, line := range fresh {
		if !slices.Contains(committed, line) {
			errs = append(errs, fmt.Errorf("new: %s", line))
		}
	}
	for _, line := range committed {
		if !slices.Contains(fresh, line) {
			errs = append(errs, fmt.Errorf("gone: %s", line))
		}
	}
	if len(errs) == 0 && !slices.Equal(fresh, committed) {
		errs = append(errs, errors.New("the order of the rows differs"))
	}
	return errors.Join(errs...)
}
