package results

import (
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/internal/svg"
)

const rowHigh = 26.0

// A bar is one side of a chart of bars.
type bar struct {
	name  string
	value float64
	ours  bool
}

// barsOf returns a bar for each side of the group that was measured.
func barsOf(o suite.Outcome, c suite.Chart) []bar {
	var bars []bar
	for _, side := range o.Group.Sides {
		if s, ok := o.Summary(side.Name, c.Metric); ok {
			bars = append(bars, bar{side.Name, c.Value(s.Median), side.Ours})
		}
	}
	return bars
}

// drawBars draws each bar with its name before it and its value behind it.
func drawBars(c suite.Chart, bars []bar) *svg.Drawing {
	names, values, longest := 0.0, 0.0, 0.0
	for _, b := range bars {
		names = max(names, svg.Width(b.name, textSize))
		values = max(values, svg.Width(suite.Figure(b.value), textSize))
		longest = max(longest, b.value)
	}
	d := begin(c, titleHigh+rowHigh*float64(len(bars))+margin/2)
	left := margin + names + 8
	room := chartWide - left - values - 8 - margin
	for i, b := range bars {
		y := titleHigh + rowHigh*float64(i)
		color := svg.Others
		if b.ours {
			color = svg.Ours
		}
		long := max(1, room*b.value/longest)
		d.Text(left-8, y+16, b.name, svg.Font{Size: textSize, Color: svg.Ink, Anchor: svg.Right, Bold: b.ours})
		d.Rect(left, y+3, long, rowHigh-8, color)
		d.Text(left+long+8, y+16, suite.Figure(b.value), svg.Font{Size: textSize, Color: svg.Ink})
	}
	return d
}
