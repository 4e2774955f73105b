package mutation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A broken is a rule of the shipped code, how to break it, and the test that
// must notice.
type broken struct {
	rule string // what is broken, in words
	file string // from the module's root
	old  string // occurs in file exactly once
	new  string
	test string // package folder and name, such as pool.TestX
}

// mostTime is how long a test may take with a rule broken. It must fail, not
// hang; most fail within a second.
const mostTime = 100 * time.Second

func TestEachBrokenRuleTurnsItsTestRed(t *testing.T) {
	if raceEnabled {
		t.Skip("runs without -race, see race_on_test.go")
	}
	if testing.Short() {
		t.Skip("compiles a test binary for each rule: not with -short")
	}
	seen := map[string]bool{}
	for _, b := range rules {
		require.Falsef(t, seen[b.rule], "two rules are called %q", b.rule)
		seen[b.rule] = true
		t.Run(strings.ReplaceAll(b.rule, " ", "-"), func(t *testing.T) {
			t.Parallel()
			turnsRed(t, b)
		})
	}
}

// turnsRed breaks one rule and runs the test that must notice.
func turnsRed(t *testing.T, b broken) {
	folder, test, ok := strings.Cut(b.test, ".")
	require.Truef(t, ok, "%q is not folder.Test", b.test)
	overlay, err := breakRule(t.TempDir(), b)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), mostTime)
	defer cancel()
	args := []string{"test", "-vet=off", "-count=1", "-timeout=60s", "-overlay=" + overlay, "-run=^" + test + "$", "./" + folder}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "BERTH_SEED=1") // what fails today fails tomorrow
	out, err := cmd.CombinedOutput()
	require.NoError(t, verdict(b, test, string(out), err))
}

var root = filepath.Join("..", "..", "..")

// breakRule writes the broken file and the overlay that puts it in its place,
// and returns the overlay's name.
func breakRule(dir string, b broken) (string, error) {
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(b.file)))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	text, err = replace(text, b)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, path.Base(b.file))
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: copied}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, overlay, 0o600)
}

func replace(text []byte, b broken) ([]byte, error) {
	if n := bytes.Count(text, []byte(b.old)); n != 1 {
		return nil, fmt.Errorf("the rule %q: its text is %d times in %s, and must be there once; the code has changed, so change the rule in rules_test.go:\n%s",
			b.rule, n, b.file, b.old)
	}
	return bytes.Replace(text, []byte(b.old), []byte(b.new), 1), nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// verdict returns nil if the test ran and failed.
func verdict(b broken, test, out string, err error) error {
	switch {
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return fmt.Errorf("the rule %q: the broken code does not compile:\n%s", b.rule, out)
	case strings.Contains(out, "no tests to run"):
		return fmt.Errorf("the rule %q: there is no test %s", b.rule, b.test)
	case err == nil:
		return fmt.Errorf("the rule %q is broken and %s did not notice", b.rule, b.test)
	}
	for _, m := range failed.FindAllStringSubmatch(out, -1) {
		if m[1] == test {
			return nil
		}
	}
	// A panic or a deadlock outside the test's own goroutine names no test,
	// but only this one ran.
	if strings.Contains(out, "panic:") || strings.Contains(out, "fatal error:") {
		return nil
	}
	return fmt.Errorf("the rule %q: %s did not fail, but something else did: %w:\n%s", b.rule, b.test, err, out)
}

func TestGateNoticesWhatIsWrongWithARule(t *testing.T) {
	_, err := replace([]byte("a b"), broken{rule: "r", file: "f.go", old: "c"})
	require.ErrorContains(t, err, "its text is 0 times in f.go")
	_, err = replace([]byte("a a"), broken{rule: "r", file: "f.go", old: "a"})
	require.ErrorContains(t, err, "its text is 2 times in f.go")
	text, err := replace([]byte("a b"), broken{old: "b", new: "c"})
	require.NoError(t, err)
	require.Equal(t, "a c", string(text))

	b := broken{rule: "r", test: "p.TestX"}
	exit := &exec.ExitError{}
	require.ErrorContains(t, verdict(b, "TestX", "ok p 0.1s", nil), "did not notice")
	require.ErrorContains(t, verdict(b, "TestX", "ok p [no tests to run]", nil), "there is no test p.TestX")
	require.ErrorContains(t, verdict(b, "TestX", "FAIL p [build failed]", exit), "does not compile")
	require.ErrorContains(t, verdict(b, "TestX", "--- FAIL: TestXY (0.1s)", exit), "something else did")
	require.NoError(t, verdict(b, "TestX", "--- FAIL: TestX (0.1s)", exit))
	require.NoError(t, verdict(b, "TestX", "panic: deadlock", exit))
}

// TestEachRuleQuotesTheCode is the quick half of the gate: it says at once
// when code was changed that a rule quotes.
func TestEachRuleQuotesTheCode(t *testing.T) {
	for _, b := range rules {
		_, err := breakRule(t.TempDir(), b)
		assert.NoError(t, err)
	}
}
