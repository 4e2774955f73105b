package driver

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// roleVariable makes this program a driver.
const roleVariable = "BERTH_TEST_DRIVER"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "counts":
		n := int64(0)
		finish := func() (Report, error) { return Report{Ran: n, Most: 1, Counted: n}, nil }
		if Serve(os.Stdin, os.Stdout, func() { n++ }, finish) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "gives up":
		fmt.Print(readyLine)
		os.Exit(3)
	case "fails":
		os.Exit(3)
	}
	goleak.VerifyTestMain(m)
}

func TestTheDriverRunsEachJobOnce(t *testing.T) {
	t.Setenv(roleVariable, "counts")
	for _, jobs := range []int{0, 1, batch - 1, batch, 3*batch + 7} {
		d, err := Start(os.Args[0])
		require.NoError(t, err)
		for range jobs {
			d.Next()
		}
		r, err := d.Finish()
		require.NoError(t, err)
		require.Equal(t, Report{int64(jobs), 1, int64(jobs)}, r)
	}
}

func TestADriverThatDoesNotGetReadyIsReported(t *testing.T) {
	t.Setenv(roleVariable, "fails")
	_, err := Start(os.Args[0])
	require.ErrorContains(t, err, "not that it is ready")
	require.ErrorContains(t, err, "exit status 3")
}

func TestADriverThatFailsIsReported(t *testing.T) {
	t.Setenv(roleVariable, "gives up")
	d, err := Start(os.Args[0])
	require.NoError(t, err)
	for range 3 * batch {
		d.Next()
	}
	_, err = d.Finish()
	require.ErrorContains(t, err, "exit status 3")
}

func TestTheTimesOfABatonsJobsAreWrittenDown(t *testing.T) {
	b := Baton{Until: time.Now().Add(50 * time.Millisecond).UnixNano(), Sleep: time.Millisecond, File: filepath.Join(t.TempDir(), "times")}
	jobs := 0
	require.NoError(t, b.Run(func(job func()) error { jobs++; job(); return nil }))
	times, err := os.ReadFile(b.File)
	require.NoError(t, err)
	require.Positive(t, jobs)
	require.Len(t, times, 16*jobs)
	failed := errors.New("no slot")
	require.ErrorIs(t, Baton{Until: math.MaxInt64}.Run(func(func()) error { return failed }), failed)
}

func TestAProgramThatIsNotThereIsReported(t *testing.T) {
	_, err := Start("/nowhere/driver")
	require.Error(t, err)
}

func TestServeEndsWithTheFirstError(t *testing.T) {
	var out bytes.Buffer
	finish := func() (Report, error) { return Report{}, errors.New("no slot") }
	require.ErrorContains(t, Serve(strings.NewReader("x\n"), &out, func() {}, finish), "invalid syntax")
	require.ErrorContains(t, Serve(strings.NewReader("2\n"), &out, func() {}, finish), "no slot")
	require.Equal(t, "ready\nready\ntaken\n", out.String())
}
