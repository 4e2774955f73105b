package results

import (
	"math"
	"path/filepath"

	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/internal/svg"
)

// The measures of a chart, in pixels.
const (
	chartWide = 720.0
	margin    = 16.0
	titleHigh = 58.0 // the title, and below it what is drawn
	textSize  = 12.0
)

// palette has the colours of curves; ours comes first.
var palette = []svg.Color{svg.Ours, svg.Others, svg.Third, svg.Fourth, svg.Fifth}

// WriteCharts writes the charts of every group into dir, each for light and dark
// pages. A chart none of whose sides were measured is not written.
func (r Run) WriteCharts(dir string) error {
	for _, o := range r.Outcomes {
		for _, c := range o.Group.Charts {
			d, ok := chart(o, c)
			if !ok {
				continue
			}
			if err := d.WriteFiles(filepath.Join(dir, c.File)); err != nil {
				return err
			}
		}
	}
	return nil
}

// chart draws a chart, unless nothing of it was measured.
func chart(o suite.Outcome, c suite.Chart) (*svg.Drawing, bool) {
	if len(c.Lines) == 0 {
		bars := barsOf(o, c)
		return drawBars(c, bars), len(bars) > 0
	}
	curves := curvesOf(o, c)
	return drawCurves(c, curves), len(curves) > 0
}

// begin returns a drawing with the title of a chart, and what is better.
func begin(c suite.Chart, high float64) *svg.Drawing {
	d := svg.New(chartWide, high, c.Title)
	d.Text(margin, 26, c.Title, svg.Font{Size: 15, Color: svg.Ink, Bold: true})
	d.Text(margin, 44, c.Y+"; "+c.Better(), svg.Font{Size: textSize, Color: svg.Faint})
	return d
}

// A rounded axis ends at a number that people like.
func roundUp(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, part := range []float64{1, 2, 5} {
		if v <= part*ten {
			return part * ten
		}
	}
	return 10 * ten
}
