package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const unreleased = "## [Unreleased]\n"

// dated returns the changelog with what is unreleased under the heading of a version,
// and an empty section for what comes next.
func dated(changelog string, v version, day time.Time) (string, error) {
	before, after, found := strings.Cut(changelog, "\n"+unreleased)
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no line %q", strings.TrimSpace(unreleased))
	}
	news, _, _ := strings.Cut(after, "\n## ")
	if !strings.Contains(news, "\n- ") {
		return "", errors.New("CHANGELOG.md says nothing under Unreleased: a release has something to tell")
	}
	number := strings.TrimPrefix(v.String(), "v")
	if strings.Contains(changelog, "\n## ["+number+"]") {
		return "", fmt.Errorf("CHANGELOG.md has a section for %s already", number)
	}
	return fmt.Sprintf("%s\n%s\n## [%s] - %s\n%s", before, unreleased, number, day.Format(time.DateOnly), after), nil
}
