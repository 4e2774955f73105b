package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARunCountsWhatItsPartsDid(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-for", "1ms", "-only", "table", "-seed", "42"}, &out), out.String())
	require.Contains(t, out.String(), "seed 42")
	require.Regexp(t, "\\| `table`: [^|]+ \\| 200,\\d{3} steps \\| 1,000,000,000 steps \\| 1 \\| 0 \\| 42 \\|", out.String())
	require.Contains(t, out.String(), "0 violations.")
	require.Contains(t, out.String(), "lost 0 slots")
}

// A fault that is planted on purpose: one more than the limit are granted.
func TestAFaultIsFoundAndTheCommandThatIsPrintedFindsItAgain(t *testing.T) {
	root, err := counts.Root(".")
	require.NoError(t, err)
	t.Setenv("GOFLAGS", "-overlay="+plant(t, filepath.Join(root, "dflockd", "internal", "locktable", "mixture.go"),
		"return l.held < min(limit, l.most())", "return l.held <= min(limit, l.most())"))
	var out bytes.Buffer
	err = run(t.Context(), []string{"-for", "1ms", "-only", "table", "-seed", "42"}, &out)
	require.Error(t, err)
	_, again, ok := strings.Cut(err.Error(), "again: ")
	require.Truef(t, ok, "%v", err)
	again, _, _ = strings.Cut(again, "\n")
	require.Contains(t, again, "BERTH_SEED=42 ")
	require.Contains(t, out.String(), "FAILED: table")
	require.Contains(t, out.String(), again)

	replay := exec.Command("sh", "-c", again)
	replay.Dir = root
	text, err := replay.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(text), "--- FAIL: TestTableDoesWhatTheModelDoes")
}

// plant returns an overlay in which a part of a file's text is another one.
func plant(t *testing.T, file, old, new string) (overlay string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), old), "the code has changed: plant another fault")
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.go")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: broken}})
	require.NoError(t, err)
	overlay = filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))
	return overlay
}

func TestEachPartIsATestThatCanBeMadeLongAndCountsWhatItsGoalIs(t *testing.T) {
	root, err := counts.Root(".")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, p := range parts {
		require.Falsef(t, names[p.name], "two parts are named %s", p.name)
		names[p.name] = true
		require.Positive(t, p.first)
		require.Positive(t, p.goal)
		text := testsIn(t, filepath.Join(root, filepath.FromSlash(p.folder)))
		require.Containsf(t, text, "func "+p.test+"(", "%s", p.name)
		require.Containsf(t, text, `"`+p.amount+`"`, "%s", p.name)
		require.Containsf(t, text, `"`+p.counted+`"`, "%s", p.name)
	}
}

// testsIn returns the text of all tests of a package.
func testsIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

func TestWhatCannotBeRunIsSaid(t *testing.T) {
	for _, args := range [][]string{{"-only", "tables"}, {"table"}, {"-for", "long"}} {
		require.Error(t, run(t.Context(), args, io.Discard))
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list", "-only", "strict,table"}, &out))
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}

func TestTheNextRoundIsOfThePartThatIsFurthestFromItsGoal(t *testing.T) {
	aiming := func(goal int) *part { return &part{counted: "steps", goal: goal} }
	a, b := aiming(100), aiming(10)
	s := &soak{parts: []*part{a, b}}
	require.Equal(t, a, s.next(-1), "each runs once, whatever the time")
	a.rounds, a.did = 1, counts.Of{"steps": 20}
	require.Equal(t, b, s.next(-1))
	b.rounds, b.did = 1, counts.Of{"steps": 1}
	require.Nil(t, s.next(-1))
	require.Equal(t, b, s.next(time.Second))
	b.did = counts.Of{"steps": 3}
	require.Equal(t, a, s.next(time.Second))
	a.violations = tooOften
	require.Equal(t, b, s.next(time.Second), "who fails again and again is given up")
	b.violations = tooOften
	require.Nil(t, s.next(time.Second))
}

func TestARoundIsAboutAsLongAsItsShareOfTheTime(t *testing.T) {
	s := &soak{budget: 20 * time.Minute}
	p := &part{first: 7}
	require.Equal(t, 7, s.size(p, time.Hour))
	p.last, p.pace = 1000, 10
	require.Equal(t, 300, s.size(p, time.Hour), "a fortieth of the time")
	require.Equal(t, 50, s.size(p, 5*time.Second), "what is left")
	p.last = 20
	require.Equal(t, 80, s.size(p, time.Hour), "four times as much as before")
	p.pace = 0.001
	require.Equal(t, 1, s.size(p, time.Hour))
	s.budget, p.last, p.pace = 10*time.Hour, 1000, 10
	require.Equal(t, 600, s.size(p, time.Hour), "a minute at most")
}

func TestTheTestsOwnCommandReplaysARoundOrElseAllOfIt(t *testing.T) {
	p := &part{folder: "pool", test: "TestX"}
	set := []string{"BERTH_N=5", "BERTH_SEED=7"}
	require.Equal(t, "BERTH_N=5 BERTH_SEED=7 go test -run '^TestX$' ./pool", replay(p, "panic: test timed out", set))
	require.Equal(t, "BERTH_SEED=9 go test ./pool", replay(p, "    x_test.go:1: again: BERTH_SEED=9 go test ./pool\nFAIL\n", set))
}

func TestWhatGrowsIsFoundByTheRule(t *testing.T) {
	usages := func(mibs ...int) (all []usage) {
		for _, n := range mibs {
			all = append(all, usage{n * mib, 10})
		}
		return all
	}
	require.NoError(t, grown(usages(10, 20)))
	require.NoError(t, grown(usages(10, 12, 20, 46, 11)))
	require.ErrorContains(t, grown(usages(10, 12, 20, 11, 47)), "grew from 20.0 MiB, 10 open files at most in the first 3 samples to 47.0 MiB")
	leaks := usages(10, 10, 10, 10)
	leaks[3].files = 18
	require.NoError(t, grown(leaks))
	leaks[3].files = 19
	require.ErrorContains(t, grown(leaks), "19 open files")
}

func TestAClientThatLosesSlotsOrDoesNothingIsFound(t *testing.T) {
	w := &watch{server: &watched{name: "the server"}, worker: &watched{name: "the client at work"}}
	require.NoError(t, w.verdict())
	w.take("begin 1 17")
	w.take("end 1 17")
	require.EqualValues(t, 1, w.jobs.Load())
	w.idle = true
	require.ErrorContains(t, w.verdict(), "did no job")
	w.take("lost 2 17")
	require.ErrorContains(t, w.verdict(), "lost 1 slots")
}

func TestTheTableReplacesTheOneThatThePageHas(t *testing.T) {
	page := "before\n" + begins + "old\n" + ends + "after\n"
	got, err := replaced(page, "new\n")
	require.NoError(t, err)
	require.Equal(t, "before\n"+begins+"\nnew\n\n"+ends+"after\n", got)
	_, err = replaced("before\nafter\n", "new")
	require.Error(t, err)
}

func TestThePageHasAPlaceForTheTable(t *testing.T) {
	root, err := counts.Root(".")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	require.NoError(t, err)
	_, err = replaced(string(text), "")
	require.NoError(t, err)
}

func TestNumbersAreWrittenWithCommas(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
}
