package mutation_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leastRules keeps the gate from being emptied unseen.
const leastRules = 200

// atOnce is how many rules are broken at a time. Each compiles a part of the
// module and has the compiler use all processors.
const atOnce = 2

// chances is how often a test may be run until it notices a broken rule.
const chances = 3

// gate skips what only make gate and make ci do, and returns a context that
// ends in time to kill what was started before the test itself is killed.
func gate(t *testing.T) context.Context {
	if os.Getenv("BERTH_GATE") == "" {
		t.Skip("compiles a test binary for each rule, for minutes: make gate does it, and make ci")
	}
	if raceEnabled {
		t.Skip("runs without -race, see race_on_test.go")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-20*time.Second), errors.New("the gate has no time left: raise its -timeout"))
		t.Cleanup(cancel)
	}
	return ctx
}

// TestEachBrokenRuleTurnsItsTestRed is the gate itself.
func TestEachBrokenRuleTurnsItsTestRed(t *testing.T) {
	ctx := gate(t)
	var red atomic.Int64
	t.Run("rules", func(t *testing.T) {
		turns := make(chan struct{}, atOnce)
		for _, b := range rules {
			t.Run(strings.ReplaceAll(b.rule, " ", "-"), func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				require.NoErrorf(t, b.noticed(ctx, t), "the rule %q is broken", b.rule)
				red.Add(1)
			})
		}
	})
	if !t.Failed() && !filtered() {
		require.GreaterOrEqual(t, int(red.Load()), leastRules)
		require.EqualValues(t, len(rules), red.Load())
	}
	t.Logf("%d of %d rules turned their tests red", red.Load(), len(rules))
}

// noticed returns nil once the named test is red on the broken code. A test in which
// several machines run may miss a fault by luck: it is given a few chances, and what
// it missed is said, so that somebody makes it certain.
func (b broken) noticed(ctx context.Context, t *testing.T) error {
	overlay, err := b.overlay(t.TempDir())
	if err != nil {
		return err
	}
	folder, test := b.named()
	for range chances {
		rec, runErr := tested{folder: folder, tests: []string{test}, overlay: overlay, limit: limit}.run(ctx)
		if runErr != nil {
			return runErr
		}
		if err = rec.red(test); !errors.Is(err, errUnnoticed) {
			return err
		}
		t.Logf("missed once: %v", err)
	}
	return err
}

// filtered reports whether somebody asked for some of the rules only.
func filtered() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// TestEachNamedTestPassesOnTheCodeAsItIs is the other half of what a red test
// says: run in the same way, it is green as long as no rule is broken.
func TestEachNamedTestPassesOnTheCodeAsItIs(t *testing.T) {
	ctx := gate(t)
	for folder, tests := range namedTests() {
		t.Run(strings.ReplaceAll(folder, "/", "."), func(t *testing.T) {
			rec, err := tested{folder: folder, tests: tests, limit: limit}.run(ctx)
			require.NoError(t, err)
			for _, test := range tests {
				require.NoError(t, rec.green(test))
			}
		})
	}
}

// namedTests returns the tests that the rules name, by folder.
func namedTests() map[string][]string {
	named := map[string][]string{}
	for _, b := range rules {
		folder, test := b.named()
		if !slices.Contains(named[folder], test) {
			named[folder] = append(named[folder], test)
		}
	}
	return named
}

// TestEachRuleQuotesTheCode is the quick half of the gate, which every run of
// the tests does: it says at once when code was changed that a rule quotes, or
// a test that it names.
func TestEachRuleQuotesTheCode(t *testing.T) {
	require.GreaterOrEqual(t, len(rules), leastRules)
	seen := map[string]bool{}
	for _, b := range rules {
		assert.Falsef(t, seen[b.rule], "two rules are called %q", b.rule)
		seen[b.rule] = true
		_, err := b.overlay(t.TempDir())
		assert.NoError(t, err)
		assert.NoError(t, b.testExists())
	}
}

// testExists returns an error unless the folder of the named test has it.
func (b broken) testExists() error {
	folder, test := b.named()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		return err
	}
	declared := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(test) + `\(`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if declared.Match(text) {
			return nil
		}
	}
	return fmt.Errorf("the rule %q: there is no test %s", b.rule, b.test)
}
