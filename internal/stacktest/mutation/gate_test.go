package mutation_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kinds is a package with a test for each way in which a test can end.
const kinds = "internal/stacktest/mutation/testdata/kinds"

func TestGateNoticesWhatIsWrongWithARule(t *testing.T) {
	_, err := broken{rule: "r", file: "f.go", old: "c"}.replace([]byte("a b"))
	require.ErrorContains(t, err, "its text is 0 times in f.go")
	_, err = broken{rule: "r", file: "f.go", old: "a"}.replace([]byte("a a"))
	require.ErrorContains(t, err, "its text is 2 times in f.go")
	text, err := broken{old: "b", new: "c"}.replace([]byte("a b"))
	require.NoError(t, err)
	require.Equal(t, "a c", string(text))
	_, err = broken{rule: "r", file: "pool/gone.go"}.overlay(t.TempDir())
	require.ErrorContains(t, err, `the rule "r"`)
	require.ErrorContains(t, broken{rule: "r", test: "pool.TestX"}.testExists(), "there is no test pool.TestX")
	require.NoError(t, broken{test: "internal/stacktest/mutation.TestEachRuleQuotesTheCode"}.testExists())
}

// Only a failure of the test's own counts. What the toolchain says of each kind
// of end is asked of the toolchain.
func TestOnlyTheNamedTestsOwnFailureIsRed(t *testing.T) {
	for _, test := range []string{
		"TestFails", "TestFailsInASubtest", "TestPanics", "TestPanicsElsewhere", "TestPanicsElsewhereInASubtest",
		"TestFailsThenPanicsElsewhere", "TestDiesOfAFatalError", "TestBubbleIsDeadlocked",
	} {
		rec, err := tested{folder: kinds, tests: []string{test}, limit: limit}.run(t.Context())
		require.NoError(t, err)
		require.NoError(t, rec.red(test))
		require.ErrorContains(t, rec.green(test), "does not pass")
	}
	for test, why := range map[string]string{
		"TestPasses":                   "did not notice",
		"TestSkips":                    "was skipped",
		"TestExits":                    "something else did",
		"TestSaysPanicAndExits":        "something else did",
		"TestThatIsNotThere":           "there is no test",
		"TestHangs":                    "did not end in time",
		"TestBubbleHangs":              "did not end in time",
		"TestFailsThenHangs":           "did not end in time",
		"TestFailsInASubtestThenHangs": "did not end in time",
	} {
		r := tested{folder: kinds, tests: []string{test}, limit: limit}
		if why == "did not end in time" {
			r.limit = time.Second
		}
		rec, err := r.run(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, rec.red(test), why)
	}
}

func TestAFailureOfSomethingElseIsNotRed(t *testing.T) {
	both := tested{folder: kinds, tests: []string{"TestPasses", "TestPanicsElsewhere"}, limit: limit}
	rec, err := both.run(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, rec.red("TestPasses"), "something else did")
	require.ErrorContains(t, rec.red("TestPanicsElsewhere"), "something else did", "another test was started: it may be the one that crashed")
	require.NoError(t, rec.green("TestPasses"))

	leak := tested{folder: kinds, tests: []string{"TestPasses"}, limit: limit, env: []string{"KINDS_LEAK=1"}}
	rec, err = leak.run(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, rec.red("TestPasses"), "something else did")

	b := broken{rule: "r", file: kinds + "/kinds_test.go", old: `t.Error("no") }` + "\n\nfunc TestFailsInA", new: `t.Oops() }` + "\n\nfunc TestFailsInA"}
	overlay, err := b.overlay(t.TempDir())
	require.NoError(t, err)
	rec, err = tested{folder: kinds, tests: []string{"TestFails"}, overlay: overlay, limit: limit}.run(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, rec.red("TestFails"), "does not compile")
}

// A test binary may have children that it does not end, as when it is killed
// or crashes. All of them hold one connection, so its end says that nobody is
// left.
func TestNoProcessOfARunIsLeft(t *testing.T) {
	errEnough := errors.New("enough")
	for name, end := range map[string]func(cancel context.CancelCauseFunc, conn net.Conn) error{
		"when it is cancelled": func(cancel context.CancelCauseFunc, _ net.Conn) error { cancel(errEnough); return errEnough },
		"when it crashes":      func(_ context.CancelCauseFunc, conn net.Conn) error { _, err := conn.Write([]byte{1}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			r := tested{folder: kinds, tests: []string{"TestHangsWithAChild"}, limit: limit, env: []string{"KINDS_ADDRESS=" + l.Addr().String()}}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan error, 1)
			go func() {
				_, err := r.run(ctx)
				ended <- err
			}()
			conn, err := l.Accept()
			require.NoError(t, err)
			defer conn.Close()
			from := bufio.NewReader(conn)
			line, err := from.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "here\n", line)
			want := end(cancel, conn)
			require.ErrorIs(t, <-ended, want)
			_, err = io.ReadAll(from) // to the end of the connection
			require.NoError(t, err)
		})
	}
}
