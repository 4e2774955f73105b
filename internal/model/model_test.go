package model_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The least numbers that a whole run must reach, so that nobody empties the
// model unseen. docs/evidence.md has what was last measured.
const (
	leastConfigs = 30
	leastMutants = 39
	leastStates  = 7_000_000
)

// atOnce bounds the runs of the checker at a time, for their memory.
const atOnce = 2

// checker skips what only make model and make ci do, and where there is no
// checker. Who asks for all of it by make model is told that by a failure.
func checker(t *testing.T) {
	if form() == "" {
		t.Skip("explores a model, for minutes: make model does it, and make ci in part")
	}
	missing := installed()
	require.Truef(t, missing == "" || !whole(), "%s", missing)
	if missing != "" {
		t.Skip(missing)
	}
}

// TestModelKeepsItsPromises explores each configuration completely.
func TestModelKeepsItsPromises(t *testing.T) {
	checker(t)
	var explored table
	t.Run("configurations", func(t *testing.T) {
		turns := make(chan struct{}, atOnce)
		for _, c := range configs {
			if !c.quick && !whole() {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				r, err := explore(t.Context(), t.TempDir(), c)
				require.NoError(t, err)
				require.Zerof(t, r.errors, "%s; to see it:\n%s", r.says, reproduce(c))
				require.Truef(t, r.complete, "not explored completely: %d states, depth %d", r.states, r.depth)
				require.ElementsMatch(t, c.unreached, r.unreached, "code of the model that no run of it gets to")
				if !c.live() && (whole() || c.states > 0) {
					states, err := c.inGo().Explore()
					require.NoError(t, err, "the model in Go breaks a promise that the one in Promela keeps")
					require.Equal(t, r.states, states, "states of the model in Go")
				}
				explored.add(c, r)
			})
		}
	})
	t.Log(explored.text())
	if whole() && !t.Failed() && !filtered() {
		require.GreaterOrEqual(t, len(explored.rows), leastConfigs)
		require.GreaterOrEqual(t, explored.states, leastStates)
	}
}

// TestEachMutantOfTheModelIsCaught breaks the model's rules one after the other.
func TestEachMutantOfTheModelIsCaught(t *testing.T) {
	checker(t)
	var caught atomic.Int64
	t.Run("mutants", func(t *testing.T) {
		turns := make(chan struct{}, atOnce)
		for _, m := range eachOnce() {
			t.Run(m.flag+"/"+m.config, func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				c := named(t, m.config)
				if !c.quick && !whole() {
					t.Skip("its configuration is not part of the short form: make model")
				}
				r, err := explore(t.Context(), t.TempDir(), c, "BROKEN", "MUTANT_"+m.flag)
				require.NoError(t, err)
				require.NotZerof(t, r.errors, "the rule %q is broken in the model, and nothing is wrong in %d states", m.rule, r.states)
				require.NotContains(t, r.says, "violated 0 (", "the model came to a step that cannot be, which is no promise")
				t.Logf("%s, after %d states: %s", m.config, r.states, r.says)
				caught.Add(1)
			})
		}
	})
	t.Logf("%d of %d mutants of the model were caught", caught.Load(), len(eachOnce()))
	if whole() && !t.Failed() && !filtered() {
		require.EqualValues(t, len(eachOnce()), caught.Load())
	}
}

// filtered reports whether somebody asked for some of the configurations only.
func filtered() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// eachOnce returns the mutants, each once for a configuration.
func eachOnce() (all []mutant) {
	for _, m := range mutants {
		if !slices.ContainsFunc(all, func(o mutant) bool { return o.flag == m.flag && o.config == m.config }) {
			all = append(all, m)
		}
	}
	return all
}

// flags returns the names of the mutants, each once.
func flags() (all []string) {
	for _, m := range mutants {
		if !slices.Contains(all, m.flag) {
			all = append(all, m.flag)
		}
	}
	return all
}

func named(t *testing.T, name string) config {
	i := slices.IndexFunc(configs, func(c config) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, "there is no configuration %s", name)
	return configs[i]
}

// TestEachRuleThatTheModelBreaksIsBrokenInTheCode holds the table of pairs: each
// names a rule of the mutation gate and a mutant of the model, and no mutant of
// the model is left out.
func TestEachRuleThatTheModelBreaksIsBrokenInTheCode(t *testing.T) {
	var gate []byte
	files, err := filepath.Glob("../stacktest/mutation/rules*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		gate = append(gate, text...)
	}
	inModel := map[string][]string{}
	for _, file := range []string{"lease.pml", "line.pml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\bMUTANT_(\w+)\b`).FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(inModel[m[1]], file) {
				inModel[m[1]] = append(inModel[m[1]], file)
			}
		}
	}
	seen := map[string]bool{}
	for _, m := range mutants {
		require.Truef(t, strings.Contains(string(gate), fmt.Sprintf("rule: %q,", m.rule)), "the gate has no rule %q for %s", m.rule, m.flag)
		require.Containsf(t, inModel[m.flag], named(t, m.config).file, "the model of %s has no MUTANT_%s", m.config, m.flag)
		require.Falsef(t, seen[m.rule], "two mutants are paired with %q", m.rule)
		seen[m.rule] = true
	}
	require.Len(t, flags(), len(inModel), "mutants of the model that are in no pair")
	for _, w := range without {
		require.NotEmpty(t, w.why)
		for _, rule := range w.rules {
			require.Falsef(t, seen[rule], "the rule %q has a mutant, or is listed twice", rule)
			seen[rule] = true
		}
	}
	inGate := map[string]bool{}
	for _, m := range regexp.MustCompile(`rule: "(.*)",\s+file: "(.*)",`).FindAllStringSubmatch(string(gate), -1) {
		if ours := strings.HasPrefix(m[2], "dflockd/") && !strings.HasPrefix(m[2], "dflockd/cmd/") || strings.HasPrefix(m[2], "internal/lease/"); ours {
			inGate[m[1]] = true
			require.Truef(t, seen[m[1]], "the rule %q has no mutant in the model, and nobody says why: see mutants_test.go", m[1])
		}
	}
	for rule := range seen {
		require.Truef(t, inGate[rule], "the gate has no rule %q of client or server", rule)
	}
	require.GreaterOrEqual(t, len(mutants), leastMutants)
}

// A table is what was explored, to be printed.
type table struct {
	mu     sync.Mutex
	rows   []string
	states int
}

func (t *table) add(c config, r result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.states += r.states
	t.rows = append(t.rows, fmt.Sprintf("| `%s` | %s | %d | %d | %.1f s |", c.name, c.what, r.states, r.depth, r.took.Seconds()))
}

func (t *table) text() string {
	order := func(a string) int {
		return slices.IndexFunc(configs, func(c config) bool { return strings.HasPrefix(a, "| `"+c.name+"` |") })
	}
	slices.SortFunc(t.rows, func(a, b string) int { return order(a) - order(b) })
	return fmt.Sprintf("\n| configuration | what can happen | states | depth | processor time |\n|---|---|---|---|---|\n%s\n%d configurations, %d states, each explored completely",
		strings.Join(t.rows, "\n"), len(t.rows), t.states)
}
