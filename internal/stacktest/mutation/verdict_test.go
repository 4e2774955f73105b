package mutation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A recording is what go test -json said of a run, in its order.
type recording []event

// An event is one line of it; see go doc test2json.
type event struct {
	Action string
	Test   string
	Output string
	text   string // of a line that is no event, such as an error of the go command
}

// record reads the output of go test -json. The error is that of the command:
// a test that fails makes one, too, so it is returned only if nothing else was
// said.
func record(out []byte, err error) (recording, error) {
	var rec recording
	for line := range bytes.Lines(out) {
		var e event
		if json.Unmarshal(line, &e) != nil {
			e = event{text: string(line)}
		}
		rec = append(rec, e)
	}
	if len(rec) == 0 && err != nil {
		return nil, fmt.Errorf("go test said nothing: %w", err)
	}
	return rec, nil
}

// String returns what was printed.
func (rec recording) String() string {
	var b strings.Builder
	for _, e := range rec {
		b.WriteString(e.Output + e.text)
	}
	return b.String()
}

// did reports whether an event of this kind names the test.
func (rec recording) did(action, test string) bool {
	return slices.ContainsFunc(rec, func(e event) bool { return e.Action == action && e.Test == test })
}

// ran returns the tests that were started, without their subtests.
func (rec recording) ran() (tests []string) {
	for _, e := range rec {
		if e.Action == "run" && !strings.Contains(e.Test, "/") {
			tests = append(tests, e.Test)
		}
	}
	return tests
}

// errUnnoticed is for a test that is green although its rule is broken.
var errUnnoticed = errors.New("did not notice")

// The testing package's own alarm, and that of go test if the first one is not
// heard, end the process as a panic and a signal do.
var timeout = regexp.MustCompile(`(?m)^(panic: test timed out after |\*\*\* Test killed with )`)

// A crash names the goroutine that it happened in.
var crash = regexp.MustCompile(`(?ms)^(panic|fatal error): .*^goroutine \d+ `)

// red returns nil if the named test noticed that the code is broken. That is so
// in two cases, and only if no time ran out:
//
//   - The test failed: go test -json says "fail" of it. This includes a panic in
//     its own goroutine, and a bubble that is deadlocked.
//   - It was the only test that was started, it did not end, and the process
//     crashed in another goroutine, by a panic or an error of the runtime.
//
// A test that did not end in time says nothing: the machine may have been slow.
// So does a failure that is not the test's own, such as a goroutine that is
// left when it has passed.
func (rec recording) red(test string) error {
	said := rec.String()
	ended := rec.did("pass", test) || rec.did("fail", test) || rec.did("skip", test)
	switch {
	case slices.ContainsFunc(rec, func(e event) bool { return e.Action == "build-fail" }), strings.Contains(said, "[setup failed]"):
		return fmt.Errorf("the broken code does not compile:\n%s", said)
	case !rec.did("run", test):
		return fmt.Errorf("there is no test %s:\n%s", test, said)
	case timeout.MatchString(said):
		return fmt.Errorf("%s did not end in time, which says nothing: it must fail by itself:\n%s", test, said)
	case rec.did("fail", test):
		return nil
	case rec.did("skip", test):
		return fmt.Errorf("%s was skipped", test)
	case !ended && slices.Equal(rec.ran(), []string{test}) && crash.MatchString(said):
		return nil
	case rec.did("pass", test) && rec.did("pass", ""):
		return fmt.Errorf("%s %w", test, errUnnoticed)
	}
	return fmt.Errorf("%s did not fail, but something else did:\n%s", test, said)
}

// green returns nil if the named test passed.
func (rec recording) green(test string) error {
	if rec.did("pass", test) {
		return nil
	}
	return fmt.Errorf("%s does not pass on the code as it is:\n%s", test, rec)
}
