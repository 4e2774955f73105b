package progress

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBarsShowNameCountUnitAndNote(t *testing.T) {
	var out bytes.Buffer
	d := newBars(&out)
	d.Printf("a line of %s", "text")
	one, two := d.Bar("one", "pages", 10), d.Bar("two", "pages", 10)
	one.Set(10) // a bar that is full is not over
	one.Set(25) // and may grow
	two.Set(3)
	two.Note("killed")
	timed := d.TimedBar("timed", "files", 10)
	timed.Set(5)
	d.Line(func() string { t.Error("a plain line between bars"); return "" })
	d.Close()
	require.Contains(t, out.String(), "a line of text\n")
	require.Contains(t, out.String(), "25 pages")
	require.Regexp(t, `timed .* 5 files.* left`, out.String())
	require.Regexp(t, `two .* 3 pages.*  killed`, out.String())
}

func TestPlainLinesComeAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := newPlain(&out)
		b := d.Bar("one", "pages", 10)
		for i := range 30 {
			b.Set(i)
			b.Note("ignored")
			d.Line(func() string { return "at work" })
			time.Sleep(100 * time.Millisecond)
		}
		d.Printf("over")
		d.Close()
		require.Equal(t, "at work\nat work\nover\n", out.String())
	})
}

func TestFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer f.Close()
	require.Nil(t, New(f).mpb)
}
