// Package svg draws the charts and diagrams of this repository's pages. What is
// drawn has colours by their role, so one drawing is written twice: for a light
// page and for a dark one. Each file has its own background and needs no font of
// its own: it is legible wherever it is shown, also where fonts are replaced.
package svg

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// A Color is what something is, not how it looks: a Theme says that.
type Color int

// The colours.
const (
	None   Color = iota
	Paper        // the background
	Ink          // text and what must be seen
	Faint        // text beside it, axes
	Grid         // lines behind everything
	Ours         // what is berth's; it stays apart from Others for who sees no red and green
	Others       // what is somebody else's
	Third        // further curves
	Fourth       //
	Fifth        //
	Good         // what runs
	Bad          // what is lost
	Wait         // what waits
	Panel        // the background of a part
	colors       // how many there are
)

// A Theme gives each Color its value.
type Theme struct {
	Suffix string // of the file's name
	values [colors]string
}

// The themes. The colours of curves are after Okabe and Ito, the dark ones lighter.
var (
	Light = Theme{"", [colors]string{
		Paper: "#ffffff", Ink: "#1f2328", Faint: "#59636e", Grid: "#d8dee4", Panel: "#f6f8fa",
		Ours: "#0072b2", Others: "#b8862b", Third: "#00835f", Fourth: "#b14f8b", Fifth: "#3a8fc4",
		Good: "#1a7f4b", Bad: "#c4281f", Wait: "#6e7781",
	}}
	Dark = Theme{"-dark", [colors]string{
		Paper: "#0d1117", Ink: "#f0f6fc", Faint: "#9aa5b1", Grid: "#30363d", Panel: "#161b22",
		Ours: "#4aa8e0", Others: "#e0a83c", Third: "#2fbf93", Fourth: "#e08cc0", Fifth: "#8fd0f5",
		Good: "#3fb772", Bad: "#ff7b72", Wait: "#7d8590",
	}}
)

// Themes are all of them.
var Themes = []Theme{Light, Dark}

// family names what is on most systems. None is embedded: a renderer that has none
// of them takes another one, and the drawing leaves room for a wider one.
const family = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"

// wide is the width of a letter in the widest of the usual fonts, on average, as a
// part of the font's size.
const wide = 0.62

// Width estimates how wide a text may become, in pixels.
func Width(text string, size float64) float64 {
	return wide * size * float64(len([]rune(text)))
}

// A Drawing is a picture of a fixed size in pixels. The zero point is at the top
// left.
type Drawing struct {
	width, height float64
	title         string
	parts         []part
}

// A part is one element: a format with its colours left open.
type part struct {
	format string // with %[1]s … for the colours
	colors []Color
}

// New returns an empty drawing. The title is for those who do not see it.
func New(width, height float64, title string) *Drawing {
	return &Drawing{width: width, height: height, title: title}
}

func (d *Drawing) add(colors []Color, format string) {
	d.parts = append(d.parts, part{format, colors})
}

// Rect draws a filled box with slightly rounded corners.
func (d *Drawing) Rect(x, y, w, h float64, fill Color) {
	d.add([]Color{fill}, fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s" rx="3" fill="%%[1]s"/>`, n(x), n(y), n(w), n(h)))
}

// Box draws a box with an edge.
func (d *Drawing) Box(x, y, w, h float64, fill, edge Color) {
	d.add([]Color{fill, edge}, fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s" rx="5" fill="%%[1]s" stroke="%%[2]s"/>`, n(x), n(y), n(w), n(h)))
}

// Circle draws a filled circle.
func (d *Drawing) Circle(x, y, r float64, fill Color) {
	d.add([]Color{fill}, fmt.Sprintf(`<circle cx="%s" cy="%s" r="%s" fill="%%[1]s"/>`, n(x), n(y), n(r)))
}

// A Stroke is how a line looks.
type Stroke struct {
	Color  Color
	Width  float64 // 1 by default
	Dashed bool
	Arrow  bool // a head at its end
}

// Line draws a line.
func (d *Drawing) Line(x1, y1, x2, y2 float64, s Stroke) {
	d.Curve([][2]float64{{x1, y1}, {x2, y2}}, s)
	if s.Arrow {
		d.head(x1, y1, x2, y2, s.Color)
	}
}

// Curve draws lines from point to point.
func (d *Drawing) Curve(points [][2]float64, s Stroke) {
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%c%s %s", "ML"[min(i, 1)], n(p[0]), n(p[1]))
	}
	dash := ""
	if s.Dashed {
		dash = ` stroke-dasharray="5 4"`
	}
	d.add([]Color{s.Color}, fmt.Sprintf(`<path d="%s" fill="none" stroke="%%[1]s" stroke-width="%s"%s/>`, path.String(), n(max(s.Width, 1)), dash))
}

// head draws the head of an arrow that comes from 1 and ends at 2.
func (d *Drawing) head(x1, y1, x2, y2 float64, c Color) {
	const long, half = 9, 4
	length := math.Hypot(x2-x1, y2-y1)
	ux, uy := (x2-x1)/length, (y2-y1)/length
	d.add([]Color{c}, fmt.Sprintf(`<path d="M%s %sL%s %sL%s %sZ" fill="%%[1]s"/>`, n(x2), n(y2),
		n(x2-long*ux-half*uy), n(y2-long*uy+half*ux), n(x2-long*ux+half*uy), n(y2-long*uy-half*ux)))
}

// An Anchor is which part of a text is at its place.
type Anchor string

// The anchors.
const (
	Left   Anchor = "start"
	Middle Anchor = "middle"
	Right  Anchor = "end"
)

// A Font is how a text looks.
type Font struct {
	Size   float64
	Color  Color
	Anchor Anchor // Left by default
	Bold   bool
}

// Text writes a line whose base is at y.
func (d *Drawing) Text(x, y float64, text string, f Font) {
	weight := ""
	if f.Bold {
		weight = ` font-weight="600"`
	}
	if f.Anchor == "" {
		f.Anchor = Left
	}
	d.add([]Color{f.Color}, fmt.Sprintf(`<text x="%s" y="%s" font-size="%s" text-anchor="%s"%s fill="%%[1]s">%s</text>`,
		n(x), n(y), n(f.Size), f.Anchor, weight, strings.ReplaceAll(escaped(text), "%", "%%")))
}

// SVG returns the drawing as a file.
func (d *Drawing) SVG(t Theme) []byte {
	var w bytes.Buffer
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img" font-family="%s">`+"\n",
		n(d.width), n(d.height), n(d.width), n(d.height), family)
	fmt.Fprintf(&w, "<title>%s</title>\n", escaped(d.title))
	fmt.Fprintf(&w, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", t.values[Paper])
	for _, p := range d.parts {
		var values []any
		for _, c := range p.colors {
			values = append(values, t.value(c))
		}
		fmt.Fprintf(&w, p.format+"\n", values...)
	}
	w.WriteString("</svg>\n")
	return w.Bytes()
}

// WriteFiles writes the drawing once for each theme: as base.svg and base-dark.svg.
func (d *Drawing) WriteFiles(base string) error {
	for _, t := range Themes {
		if err := os.WriteFile(base+t.Suffix+".svg", d.SVG(t), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (t Theme) value(c Color) string {
	if c == None {
		return "none"
	}
	return t.values[c]
}

// Picture returns the lines of Markdown that show the files of WriteFiles, each
// reader the one that suits his page.
func Picture(base, alt string) string {
	return fmt.Sprintf(`<picture><source media="(prefers-color-scheme: dark)" srcset="%s%s.svg"><img alt="%s" src="%s.svg"></picture>`,
		base, Dark.Suffix, escaped(alt), base)
}

// n writes a number with the digits that matter to a pixel.
func n(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}
