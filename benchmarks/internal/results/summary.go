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

// Summary returns what a reader in a hurry needs of a page: when and where it
// was measured, and the table of targets, line by line as on the page.
func Summary(page string) (string, error) {
	head, rest, ok := strings.Cut(page, targetHeading+"\n")
	if !ok {
		return "", errors.New("the page has no table of targets")
	}
	table, _, _ := strings.Cut(rest, "\n## ")
	var lines []string
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "Written by ") || strings.HasPrefix(line, "- Machine: ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n\n") + "\n\n" + strings.Trim(table, "\n") + "\n", nil
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
