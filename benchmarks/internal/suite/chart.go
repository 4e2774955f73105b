package suite

// A Chart shows a group as a picture.
type Chart struct {
	File  string // without its extension
	Title string
	X, Y  string // what the axes show
	// Metric is what is drawn. With Rate it is drawn as events a second: 1e9
	// divided by the metric, which is in nanoseconds then.
	Metric string
	Rate   bool
	// More means that more is better. It is for Rate anyway.
	More bool
	// Share means that the lines show percentages: their axis goes from 0 to 100.
	Share bool
	// Lines are drawn over logarithmic axes. A chart without lines is one of
	// bars, one for each side of the group that has the metric.
	Lines []Line
}

// A Line is one curve of a chart: Sides[i] was measured at X[i].
type Line struct {
	Name  string
	X     []float64
	Sides []string
}

// Value turns a figure into what the chart draws.
func (c Chart) Value(figure float64) float64 {
	if c.Rate {
		return 1e9 / figure
	}
	return figure
}

// Better says whether more or less is better.
func (c Chart) Better() string {
	if c.More || c.Rate {
		return "more is better"
	}
	return "less is better"
}
