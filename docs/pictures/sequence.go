package main

import (
	"strings"

	"github.com/berth-go/berth/internal/svg"
)

// A sequence shows who tells whom what, from the top to the bottom.
type sequence struct {
	title  string
	actors []string
	steps  []step
}

// A step is one row of a sequence. It is a message, or a note where to is from.
type step struct {
	from, to int // indices of actors
	text     string
	color    svg.Color // Ink by default
	dashed   bool      // it does not arrive
}

// The measures of a sequence, in pixels.
const (
	margin   = 16
	column   = 235 // from one actor to the next
	rowHigh  = 38
	headHigh = 34
	headWide = 150
	sides    = 45 // room for notes at the first and the last actor
	fontSize = 13
)

func (s sequence) draw() *svg.Drawing {
	width := float64(2*margin + column*(len(s.actors)-1) + headWide + 2*sides)
	height := float64(2*margin+headHigh+14) + rowHigh*s.rows()
	d := svg.New(width, height, s.title)
	for i, name := range s.actors {
		x := s.x(i)
		d.Line(x, margin+headHigh, x, height-margin, svg.Stroke{Color: svg.Wait, Dashed: true})
		d.Box(x-headWide/2, margin, headWide, headHigh, svg.Panel, svg.Wait)
		d.Text(x, margin+22, name, svg.Font{Size: fontSize, Color: svg.Ink, Anchor: svg.Middle, Bold: true})
	}
	y := float64(margin + headHigh + 6)
	for _, st := range s.steps {
		y += rowHigh * st.rows()
		s.drawStep(d, st, y)
	}
	return d
}

// x is where the line of an actor is.
func (s sequence) x(actor int) float64 { return margin + sides + headWide/2 + column*float64(actor) }

func (s sequence) rows() (n float64) {
	for _, st := range s.steps {
		n += st.rows()
	}
	return n
}

// rows is how high a step is: a note may have several lines.
func (st step) rows() float64 {
	return 1 + 0.45*float64(strings.Count(st.text, "\n"))
}

func (s sequence) drawStep(d *svg.Drawing, st step, y float64) {
	color := st.color
	if color == svg.None {
		color = svg.Ink
	}
	from, to := s.x(st.from), s.x(st.to)
	if st.from == st.to {
		s.drawNote(d, st, color, y)
		return
	}
	d.Line(from, y, to, y, svg.Stroke{Color: color, Width: 1.5, Arrow: !st.dashed, Dashed: st.dashed})
	if st.dashed {
		middle := (from + to) / 2
		d.Text(middle, y+5, "✕", svg.Font{Size: 16, Color: svg.Bad, Anchor: svg.Middle, Bold: true})
	}
	d.Text((from+to)/2, y-6, st.text, svg.Font{Size: fontSize, Color: color, Anchor: svg.Middle})
}

// drawNote writes what happens at one actor into a box on its line.
func (s sequence) drawNote(d *svg.Drawing, st step, color svg.Color, y float64) {
	lines := strings.Split(st.text, "\n")
	wide := 0.0
	for _, line := range lines {
		wide = max(wide, svg.Width(line, fontSize-1))
	}
	high := float64(17*len(lines) + 8)
	x := s.x(st.from)
	d.Box(x-wide/2-6, y-high+8, wide+12, high, svg.Paper, color)
	for i, line := range lines {
		d.Text(x, y-high+25+17*float64(i)-1, line, svg.Font{Size: fontSize - 1, Color: color, Anchor: svg.Middle})
	}
}
