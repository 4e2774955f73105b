package model_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A result is what the checker says of one run.
type result struct {
	states    int
	depth     int
	errors    int
	complete  bool          // everything that can be reached was
	says      string        // which property an error broke
	unreached []string      // code that no run of the model gets to
	took      time.Duration // of a processor, with the translation of the model
}

var (
	reStates = regexp.MustCompile(`(?m)^\s*(\d+) states, stored`)
	reErrors = regexp.MustCompile(`depth reached (\d+), errors: (\d+)`)
	reFound  = regexp.MustCompile(`(?m)^pan:\d+: (.*)$`)
	reCode   = regexp.MustCompile(`^\t\S*?(?:[^/\s]+\.pml|_spin_nvr\.tmp):\d+, state \d+, "(.*)"$`)
)

// parse reads the output of the checker.
func parse(out string) (result, error) {
	var r result
	states, found := reStates.FindStringSubmatch(out), reErrors.FindStringSubmatch(out)
	if states == nil || found == nil {
		return r, fmt.Errorf("the checker ended without a result:\n%s", out)
	}
	var err error
	for _, number := range []struct {
		to   *int
		text string
	}{{&r.states, states[1]}, {&r.depth, found[1]}, {&r.errors, found[2]}} {
		if *number.to, err = strconv.Atoi(number.text); err != nil {
			return r, err
		}
	}
	r.complete = !strings.Contains(out, "Search not completed") && !strings.Contains(out, "max search depth too small")
	if m := reFound.FindStringSubmatch(out); m != nil {
		r.says = m[1]
	}
	r.unreached = unreachedIn(out)
	return r, nil
}

// unreachedIn returns the code that the checker lists as never reached. The
// ends of endless loops are none, and neither is what is written down as
// impossible.
func unreachedIn(out string) (code []string) {
	in := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "unreached in "); ok {
			in = name
			continue
		}
		m := reCode.FindStringSubmatch(line)
		if in == "" || m == nil || m[1] == "-end-" || m[1] == "assert(0)" || strings.HasPrefix(in, "claim ") {
			continue
		}
		code = append(code, in+": "+m[1])
	}
	return code
}
