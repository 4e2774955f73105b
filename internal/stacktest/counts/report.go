package counts

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Variable is the environment variable that names the file to which reports are
// added.
const Variable = "BERTH_COUNTS"

// Of is what a suite counted, by name, such as "histories".
type Of map[string]int

// A Total is what suites counted, by the folder and the name of the test, such as
// pool.TestX. Several reports of one test are added up.
type Total map[string]Of

// Plus returns the sums of both.
func (of Of) Plus(other Of) Of {
	sum := Of{}
	for _, counted := range []Of{of, other} {
		for name, n := range counted {
			sum[name] += n
		}
	}
	return sum
}

// String lists the counts in the order of their names.
func (of Of) String() string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		words = append(words, fmt.Sprintf("%s=%d", name, of[name]))
	}
	return strings.Join(words, " ")
}

var file sync.Mutex // lines are added whole

// Report notes what a test has tried. It fails the test if one of the numbers is
// zero: that is none.
func Report(t testing.TB, of Of) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] <= 0 {
			t.Errorf("the test counted no %s", name)
		}
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	line := fmt.Sprintf("%s.%s %v", Folder(t), test, of)
	t.Log(line)
	name := os.Getenv(Variable)
	if name == "" {
		return
	}
	file.Lock()
	defer file.Unlock()
	if err := add(name, line); err != nil {
		t.Errorf("what the test counted is not noted: %v", err)
	}
}

func add(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// Read adds up the reports in a file.
func Read(name string) (Total, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	all := Total{}
	for line := range strings.Lines(string(text)) {
		suite, of, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[suite] = all[suite].Plus(of)
	}
	return all, nil
}

// parse reads a line of a report.
func parse(line string) (suite string, of Of, err error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return "", nil, fmt.Errorf("%q is no report: it has no counts", line)
	}
	of = Of{}
	for _, word := range words[1:] {
		name, number, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(number)
		if err != nil || name == "" {
			return "", nil, fmt.Errorf("%q is no report: %q is no count", line, word)
		}
		of[name] += n
	}
	return words[0], of, nil
}

// Folder returns the folder of the test's package below the root of the
// repository, with slashes. Tests run in the folder of their package.
func Folder(t testing.TB) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := Root(here)
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Rel(root, here)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(below)
}

// Root returns the root of the repository that a folder is in.
func Root(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is in no clone of the repository: there is no go.work above it", folder)
		}
	}
}
