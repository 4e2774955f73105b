package results

import (
	"math"
	"slices"

	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/internal/svg"
)

// Where the curves are drawn, in pixels.
const (
	plotHigh = 230.0
	plotLeft = 90.0
	plotWide = chartWide - plotLeft - 2*margin
)

// A curve is a line of a chart with what was measured of it.
type curve struct {
	name   string
	points []point
}

// A point is a median, with the lowest and the highest round.
type point struct{ x, y, low, high float64 }

// curvesOf returns the lines of a chart of which something was measured.
func curvesOf(o suite.Outcome, c suite.Chart) []curve {
	var all []curve
	for _, line := range c.Lines {
		next := curve{name: line.Name}
		for i, side := range line.Sides {
			if s, ok := o.Summary(side, c.Metric); ok {
				a, b := c.Value(s.Low), c.Value(s.High)
				next.points = append(next.points, point{line.X[i], c.Value(s.Median), min(a, b), max(a, b)})
			}
		}
		if len(next.points) > 0 {
			all = append(all, next)
		}
	}
	return all
}

// An axis places values: one of logarithms, or of a share from 0 to 100.
type axis struct {
	low, high float64
	log       bool
	from, to  float64 // pixels
	ticks     []float64
}

// at returns where a value is. There is no 0 among logarithms: it stands at 1.
func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log10(nonzero(v)), math.Log10(low), math.Log10(high)
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

func nonzero(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}

// xAxis has a tick at each size that was measured.
func xAxis(curves []curve) axis {
	a := axis{log: true, low: math.Inf(1), from: plotLeft, to: plotLeft + plotWide}
	for _, c := range curves {
		for _, p := range c.points {
			a.low, a.high = min(a.low, nonzero(p.x)), max(a.high, nonzero(p.x))
			a.ticks = append(a.ticks, p.x)
		}
	}
	slices.Sort(a.ticks)
	a.ticks = slices.Compact(a.ticks)
	if a.low == a.high {
		a.high = 10 * a.low
	}
	return a
}

// yAxis has ticks at 1, 2 and 5 of each power of ten, or at each 20 % of a share.
func yAxis(curves []curve, share bool) axis {
	a := axis{from: titleHigh + plotHigh, to: titleHigh}
	if share {
		a.high, a.ticks = 100, []float64{0, 20, 40, 60, 80, 100}
		return a
	}
	low, high := math.Inf(1), 0.0
	for _, c := range curves {
		for _, p := range c.points {
			low, high = min(low, p.low), max(high, p.high)
		}
	}
	a.log, a.low, a.high = true, roundDown(low), roundUp(high)
	if a.low == a.high {
		a.high = roundUp(1.01 * a.high)
	}
	for v := a.low; v < 1.01*a.high; v = roundUp(1.01 * v) {
		a.ticks = append(a.ticks, v)
	}
	return a
}

func roundDown(v float64) float64 {
	up := roundUp(v)
	if up == v {
		return v
	}
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, part := range []float64{5, 2, 1} {
		if v >= part*ten {
			return part * ten
		}
	}
	return ten
}

// drawCurves draws the curves over their axes, and below what each is, with the
// values at its ends.
func drawCurves(c suite.Chart, curves []curve) *svg.Drawing {
	d := begin(c, titleHigh+plotHigh+48+rowHigh*0.75*float64(len(curves))+margin/2)
	if len(curves) == 0 {
		return d
	}
	x, y := xAxis(curves), yAxis(curves, c.Share)
	drawAxes(d, x, y, c.X)
	for i, curve := range curves {
		color := palette[i%len(palette)]
		drawCurve(d, x, y, curve.points, color)
		row := titleHigh + plotHigh + 58 + rowHigh*0.75*float64(i)
		d.Circle(plotLeft, row-4, 4, color)
		d.Text(plotLeft+12, row, curve.legend(c.X), svg.Font{Size: textSize, Color: svg.Ink})
	}
	return d
}

// legend names a curve and the values at its ends.
func (c curve) legend(unit string) string {
	first, last := c.points[0], c.points[len(c.points)-1]
	text := c.name + ": " + suite.Figure(first.y) + " at " + suite.Figure(first.x)
	if len(c.points) > 1 {
		text += ", " + suite.Figure(last.y) + " at " + suite.Figure(last.x)
	}
	return text + " " + unit
}

func drawAxes(d *svg.Drawing, x, y axis, unit string) {
	small := svg.Font{Size: textSize - 1, Color: svg.Faint}
	small.Anchor = svg.Right
	free := math.Inf(1) // the labels above end here
	for _, v := range y.ticks {
		at := y.at(v)
		d.Line(x.from, at, x.to, at, svg.Stroke{Color: svg.Grid})
		if free-at >= textSize+2 {
			d.Text(x.from-8, at+4, suite.Figure(v), small)
			free = at
		}
	}
	small.Anchor = svg.Middle
	taken := math.Inf(-1) // labels to the left end here
	for _, v := range x.ticks {
		at, half := x.at(v), svg.Width(suite.Figure(v), small.Size)/2
		d.Line(at, y.from, at, y.to, svg.Stroke{Color: svg.Grid})
		if at-half > taken {
			d.Text(at, y.from+16, suite.Figure(v), small)
			taken = at + half + 4
		}
	}
	d.Text((x.from+x.to)/2, y.from+34, unit, small)
}

// drawCurve draws the medians, and the spread of each.
func drawCurve(d *svg.Drawing, x, y axis, points []point, color svg.Color) {
	var path [][2]float64
	for _, p := range points {
		at := x.at(p.x)
		path = append(path, [2]float64{at, y.at(p.y)})
		d.Line(at, y.at(p.low), at, y.at(p.high), svg.Stroke{Color: color})
		d.Circle(at, y.at(p.y), 3.5, color)
	}
	d.Curve(path, svg.Stroke{Color: color, Width: 2})
}
