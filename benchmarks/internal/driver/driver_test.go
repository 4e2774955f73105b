package driver

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

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

func TestADriverThatFailsIsReported(t *testing.T) {
	t.Setenv(roleVariable, "fails")
	d, err := Start(os.Args[0])
	require.NoError(t, err)
	for range 3 * batch {
		d.Next()
	}
	_, err = d.Finish()
	require.ErrorContains(t, err, "exit status 3")
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
	require.Equal(t, "taken\n", out.String())
}
