package progress

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"
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

func TestWhatIsNotNeededIsLeftOutOfANarrowLine(t *testing.T) {
	for width, want := range map[int]string{
		80: "files  [=====================>---------------------] 5 files     5/s  00:01 left",
		40: "files  [=======>-------] 5 files     5/s",
		30: "files  [======>------] 5 files",
		12: "files 5 fil…", // as much as there is room for, and no second line
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			d := newBars(&out, mpb.WithWidth(width))
			d.TimedBar("files", "files", 10).Set(5)
			time.Sleep(time.Second)
			d.Close()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			last := strings.TrimRight(lines[len(lines)-1], "\r ")
			require.Equal(t, want, last[strings.Index(last, "files"):], "%d columns", width)
			require.LessOrEqual(t, len([]rune(want)), width)
		})
	}
}

func TestBarsAreDrawnWhereATerminalCanDrawThem(t *testing.T) {
	require.True(t, draws(80, "xterm-256color"))
	require.True(t, draws(40, ""), "Windows says nothing")
	require.False(t, draws(80, "dumb"))
	require.False(t, draws(0, "xterm"), "its width is not known")
}

func TestNothingIsColoured(t *testing.T) {
	var out bytes.Buffer
	d := newBars(&out)
	d.TimedBar("files", "files", 10).Set(5)
	d.Close()
	require.NotRegexp(t, `\x1b\[[0-9;]*m`, out.String())
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
