package main

import (
	"github.com/berth-go/berth/internal/svg"
)

// A timeline shows what is the case when, from the left to the right.
type timeline struct {
	title  string
	end    float64 // seconds
	lanes  []lane
	events []event
}

// A lane is one thing, and how it was.
type lane struct {
	name string
	bars []bar
}

// A bar is a stretch of time, in seconds.
type bar struct {
	from, to float64
	text     string
	color    svg.Color
}

// An event is a moment: a line through all lanes. Its text stands below them, in
// one of a few rows, so that neighbours do not run into each other.
type event struct {
	at    float64
	row   int
	text  string
	color svg.Color
	left  bool // the text ends at the line
}

// The measures of a timeline, in pixels.
const (
	names   = 165 // the column of the lanes' names
	scale   = 560 // the time
	laneTop = 46
	lane1   = 44
	barHigh = 28
)

func (t timeline) draw() *svg.Drawing {
	rows := 0
	for _, e := range t.events {
		rows = max(rows, e.row+1)
	}
	bottom := float64(laneTop + lane1*len(t.lanes))
	d := svg.New(names+scale+2*margin, bottom+float64(18*rows)+margin, t.title)
	d.Text(margin, 26, t.title, svg.Font{Size: 15, Color: svg.Ink, Bold: true})
	for _, e := range t.events {
		d.Line(t.x(e.at), laneTop-6, t.x(e.at), bottom+float64(18*e.row)+4, svg.Stroke{Color: e.color, Dashed: true})
	}
	for i, l := range t.lanes {
		t.drawLane(d, l, laneTop+lane1*float64(i))
	}
	for _, e := range t.events {
		f := svg.Font{Size: fontSize - 1, Color: e.color}
		x := t.x(e.at) + 5
		if e.left {
			f.Anchor, x = svg.Right, t.x(e.at)-5
		}
		d.Text(x, bottom+float64(18*e.row)+6, e.text, f)
	}
	return d
}

func (t timeline) x(at float64) float64 { return margin + names + at/t.end*scale }

func (t timeline) drawLane(d *svg.Drawing, l lane, y float64) {
	d.Text(margin, y+barHigh/2+5, l.name, svg.Font{Size: fontSize, Color: svg.Ink})
	for _, b := range l.bars {
		from, to := t.x(b.from), t.x(b.to)
		d.Box(from, y, to-from, barHigh, svg.Panel, b.color)
		d.Rect(from, y, 4, barHigh, b.color)
		d.Text(from+11, y+barHigh/2+5, b.text, svg.Font{Size: fontSize - 1, Color: b.color})
	}
}
