package faultnet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

// seedVariable is the environment variable that plays a random test again.
const seedVariable = "BERTH_SEED"

// Seed returns the number that a test draws from: BERTH_SEED if it is set, or
// a new one. If the test fails it says how to have the same again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := firstSeed(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(again(t, seed))
		}
	})
	return seed
}

// EachSeed calls f with one seed after the other, so many as the environment
// variable says, or the usual number. The first failure ends it, and then it says
// how to have that seed alone again.
func EachSeed(t testing.TB, variable string, usual int, f func(seed uint64)) {
	t.Helper()
	first, n := firstSeed(t), Count(t, variable, usual)
	seed := first
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(again(t, seed, variable+"=1"))
		}
	})
	for ; seed < first+uint64(n) && !t.Failed(); seed++ {
		f(seed)
		if t.Failed() {
			return
		}
	}
}

// firstSeed returns the seed of the environment, or a new one.
func firstSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return uint64(rand.Uint32())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s must be a number: %v", seedVariable, err)
	}
	return seed
}

// Count returns the number in an environment variable that makes a test long,
// or the usual one.
func Count(t testing.TB, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s must be a number and not negative, not %q", variable, text)
	}
	return n
}

// AgainPrefix begins the line in which a test that failed says how to have the
// same again: a command for a shell in the root of the repository.
const AgainPrefix = "again: "

// again returns that line. The command sets what the environment says of the tests
// now, but for what is given.
func again(t testing.TB, seed uint64, set ...string) string {
	set = append(set, fmt.Sprintf("%s=%d", seedVariable, seed))
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		given := slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") })
		if strings.HasPrefix(name, "BERTH_") && name != counts.Variable && !given {
			set = append(set, name+"="+quoted(v[len(name)+1:]))
		}
	}
	slices.Sort(set)
	name, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("%s%s go test -run '^%s$' ./%s", AgainPrefix, strings.Join(set, " "), name, counts.Folder(t))
}

// quoted returns a value as a shell takes it.
func quoted(value string) string {
	if plain.MatchString(value) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

var plain = regexp.MustCompile(`^[\w./:-]*$`)
