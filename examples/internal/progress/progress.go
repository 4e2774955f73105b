// Package progress shows how a program gets on: as bars on a terminal, as a
// plain line now and then anywhere else, so that a log stays readable. Nothing is
// coloured, and a bar never is wider than its terminal.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A Display is where a program shows its progress and prints its lines. Its
// methods are for one goroutine at a time.
type Display struct {
	out  io.Writer
	bars []*Bar
	mpb  *mpb.Progress // nil: plain lines
	last time.Time     // when the last plain line was printed
}

// PlainEvery is the time between two plain lines.
const PlainEvery = time.Second

// New returns a Display on out: with bars if out is a terminal that can draw them.
func New(out *os.File) *Display {
	width, _, err := term.GetSize(int(out.Fd()))
	if err == nil && draws(width, os.Getenv("TERM")) {
		return newBars(out)
	}
	return newPlain(out)
}

// draws reports whether bars can be drawn over and over on a terminal of that width
// and kind. One without a width, as a program has that was started by another one
// without telling it, would show empty lines.
func draws(width int, kind string) bool { return width > 0 && kind != "dumb" }

func newPlain(out io.Writer) *Display { return &Display{out: out, last: time.Now()} }

func newBars(out io.Writer, opts ...mpb.ContainerOption) *Display {
	return &Display{out: out, mpb: mpb.New(append(opts, mpb.WithOutput(out), mpb.WithAutoRefresh())...)}
}

// A Bar shows one part of the work.
type Bar struct {
	name  string
	total int64
	bar   *mpb.Bar               // nil: plain lines
	note  atomic.Pointer[string] // written by the program, read by the drawing goroutine
}

// Bar adds a bar. What it counts has a unit, such as "pages". The total may be
// a guess: a bar that passes it grows.
func (d *Display) Bar(name, unit string, total int) *Bar { return d.bar(name, unit, total) }

// TimedBar adds a bar that also shows how much time is left, for a total that
// is no guess.
func (d *Display) TimedBar(name, unit string, total int) *Bar {
	return d.bar(name, unit, total, roomy{decor.AverageETA(decor.ET_STYLE_MMSS), "  ", " left"})
}

func (d *Display) bar(name, unit string, total int, more ...decor.Decorator) *Bar {
	b := &Bar{name: name, total: int64(max(total, 1))}
	b.Note("")
	if d.mpb != nil {
		// A total of 0 at first, since mpb ends a bar that reaches any other.
		b.bar = d.mpb.AddBar(0,
			mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(append([]decor.Decorator{
				decor.CurrentNoUnit("%d "+unit, decor.WCSyncWidth),
				roomy{decor.AverageSpeed(0, "%5.0f/s"), " ", ""},
				decor.Any(func(decor.Statistics) string { return *b.note.Load() }),
			}, more...)...))
		b.bar.SetTotal(b.total, false)
	}
	d.bars = append(d.bars, b)
	return b
}

// narrowest is how wide a bar is at least. What is not needed is left out where it
// would be narrower.
const narrowest = 12

// A roomy part of a line has something before and after it, and is left out where
// there is no room for it.
type roomy struct {
	decor.Decorator
	before, after string
}

// Decor returns the part, or nothing.
func (r roomy) Decor(s decor.Statistics) (string, int) {
	text, width := r.Decorator.Decor(s)
	width += len(r.before) + len(r.after)
	if s.AvailableWidth < width+narrowest {
		return "", 0
	}
	return r.before + text + r.after, width
}

// Unwrap returns the part alone.
func (r roomy) Unwrap() decor.Decorator { return r.Decorator }

// Set shows that n are done, of the total that the bar has.
func (b *Bar) Set(n int) {
	if b.bar == nil {
		return
	}
	if int64(n) > b.total {
		b.total = int64(n)
		b.bar.SetTotal(b.total, false)
	}
	b.bar.SetCurrent(int64(n))
}

// Note puts text behind the bar.
func (b *Bar) Note(text string) {
	if text != "" {
		text = "  " + text
	}
	b.note.Store(&text)
}

// Line prints what line returns, if the display has no bars and the last such
// line is long enough ago. Call it often.
func (d *Display) Line(line func() string) {
	if d.mpb == nil && time.Since(d.last) >= PlainEvery {
		d.last = time.Now()
		fmt.Fprintln(d.out, line())
	}
}

// Printf prints whole lines, above the bars. Unlike the other methods it may be
// called from anywhere.
func (d *Display) Printf(format string, args ...any) {
	w := d.out
	if d.mpb != nil {
		w = d.mpb
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// Close ends the drawing, with the bars as they stand, and waits for it.
// Afterwards Printf must not be called: print to the output itself.
func (d *Display) Close() {
	if d.mpb == nil {
		return
	}
	for _, b := range d.bars {
		b.bar.Abort(false)
	}
	d.mpb.Wait()
}
