package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The marks in the page between which the table stands.
const (
	begins = "<!-- written by make soak -->\n"
	ends   = "<!-- end of what make soak writes -->\n"
)

// finish prints the table, writes it to the page if asked to, and returns an error if
// something was wrong.
func (s *soak) finish(write bool) error {
	grew := s.watch.verdict()
	text := s.report(grew)
	fmt.Fprint(s.out, "\n", text)
	if write {
		if err := s.writePage(text); err != nil {
			return err
		}
	}
	var errs []error
	for _, f := range s.failures {
		errs = append(errs, fmt.Errorf("%s failed; again: %s", f.part.name, f.again))
	}
	return errors.Join(append(errs, grew)...)
}

// report returns the table, as Markdown.
func (s *soak) report(grew error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s UTC, commit %s, %v on %d processors, %s, %s/%s.\n\n",
		s.began.UTC().Format("2006-01-02 15:04"), s.commit, time.Since(s.began).Round(time.Minute), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b.WriteString("| part | what was counted | goal | rounds | violations | seeds |\n|---|---|---|---|---|---|\n")
	violations := 0
	for _, p := range s.parts {
		violations += p.violations
		fmt.Fprintf(&b, "| `%s`: %s | %s | %s %s | %d | %d | %s |\n", p.name, p.what, counted(p), grouped(p.goal), words(p.counted), p.rounds, p.violations, p.seedRange())
	}
	fmt.Fprintf(&b, "\n%d violations.\n", violations)
	for _, p := range []*watched{s.watch.server, s.watch.worker} {
		fmt.Fprintf(&b, "%s\n", p.summary())
	}
	fmt.Fprintf(&b, "The client did %s jobs meanwhile and lost %d slots.\n", grouped(int(s.watch.jobs.Load())), s.watch.lost.Load())
	if grew != nil {
		fmt.Fprintf(&b, "What was watched failed: %v.\n", grew)
	}
	for _, what := range s.leftOut {
		fmt.Fprintf(&b, "Left out: %s.\n", what)
	}
	return b.String()
}

// summary says what a watched process had.
func (p *watched) summary() string {
	name := strings.ToUpper(p.name[:1]) + p.name[1:]
	if n := len(p.samples); n > firstSamples {
		return fmt.Sprintf("%s had %v at most in the first %d of %d samples, and %v at most in the others.",
			name, most(p.samples[:firstSamples]), firstSamples, n, most(p.samples[firstSamples:]))
	}
	return fmt.Sprintf("%s was looked at %d times, too few to see it grow.", name, len(p.samples))
}

// counted lists what the rounds of a part did, the goal's count first.
func counted(p *part) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.did)), func(name string) bool {
		return name == p.counted || strings.HasPrefix(name, "kinds-") // which are no sums
	})
	text := grouped(p.did[p.counted]) + " " + words(p.counted)
	for _, name := range names {
		text += ", " + grouped(p.did[name]) + " " + words(name)
	}
	return text
}

// seedRange returns the first and the last seed that the part had.
func (p *part) seedRange() string {
	if p.rounds == 0 {
		return "none"
	}
	if p.next == p.from+1 {
		return fmt.Sprint(p.from)
	}
	return fmt.Sprintf("%d to %d", p.from, p.next-1)
}

// words returns the name of a count as people write it.
func words(name string) string { return strings.ReplaceAll(name, "-", " ") }

// grouped returns a number with commas between its thousands.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// commitOf returns the name of the commit that is in a folder.
func commitOf(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// writePage puts the table between the marks of the page.
func (s *soak) writePage(table string) error {
	name := filepath.Join(s.root, filepath.FromSlash(page))
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	between, err := replaced(string(text), table)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(name, []byte(between), 0o644)
}

// replaced returns a page with another table between its marks.
func replaced(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		return "", fmt.Errorf("it has no %q and %q after each other", strings.TrimSpace(begins), strings.TrimSpace(ends))
	}
	return before + begins + "\n" + table + "\n" + ends + after, nil
}
