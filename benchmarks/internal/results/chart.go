package results

import (
	"errors"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

const (
	chartWidth  = 7 * vg.Inch
	chartHeight = 4 * vg.Inch
	barHeight   = 0.32 * vg.Inch
)

// palette holds colours that stay apart for people who do not see red and
// green (after Okabe and Ito); ours comes first.
var palette = []color.Color{
	color.RGBA{R: 0, G: 114, B: 178, A: 255},
	color.RGBA{R: 230, G: 159, B: 0, A: 255},
	color.RGBA{R: 0, G: 158, B: 115, A: 255},
	color.RGBA{R: 204, G: 121, B: 167, A: 255},
	color.RGBA{R: 86, G: 180, B: 233, A: 255},
}

// WriteCharts writes the charts of every group into dir as SVG. A chart none
// of whose sides were measured is not written.
func (r Run) WriteCharts(dir string) error {
	for _, o := range r.Outcomes {
		for _, c := range o.Group.Charts {
			if err := writeChart(o, c, filepath.Join(dir, c.File+".svg")); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeChart(o suite.Outcome, c suite.Chart, path string) error {
	p := plot.New()
	p.Title.Text = c.Title
	p.Title.Padding = vg.Points(8)
	if len(c.Lines) == 0 {
		return writeBars(p, o, c, path)
	}
	return writeLines(p, o, c, path)
}

// writeBars draws a bar for each side, the best at the top.
func writeBars(p *plot.Plot, o suite.Outcome, c suite.Chart, path string) error {
	var names []string
	ours, others := plotter.Values{}, plotter.Values{}
	for i := len(o.Group.Sides) - 1; i >= 0; i-- { // the first side on top
		side := o.Group.Sides[i]
		s, ok := o.Summary(side.Name, c.Metric)
		if !ok {
			continue
		}
		names = append(names, side.Name)
		a, b := 0.0, c.Value(s.Median)
		if side.Ours {
			a, b = b, a
		}
		ours, others = append(ours, a), append(others, b)
	}
	if len(names) == 0 {
		return nil
	}
	for i, values := range []plotter.Values{ours, others} {
		bars, err := plotter.NewBarChart(values, barHeight*0.7)
		if err != nil {
			return err
		}
		bars.Horizontal = true
		bars.Color = palette[i]
		bars.LineStyle.Width = 0
		p.Add(bars)
	}
	p.Add(plotter.NewGrid())
	p.X.Label.Text = c.Y
	p.X.Min = 0
	p.NominalY(names...)
	p.X.Max = 1.05 * max(slices.Max(ours), slices.Max(others))
	p.X.Tick.Marker = grouped{}
	return save(p, vg.Length(len(names)+3)*barHeight, path)
}

// writeLines draws curves over logarithmic axes, with the spread of each point.
func writeLines(p *plot.Plot, o suite.Outcome, c suite.Chart, path string) error {
	p.X.Label.Text, p.Y.Label.Text = c.X, c.Y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = tens{}, tens{}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	drawn := 0
	low, high := math.Inf(1), math.Inf(-1)
	for i, line := range c.Lines {
		points := linePoints(o, c, line)
		if len(points.XYs) == 0 {
			continue
		}
		drawn++
		for j, xy := range points.XYs {
			low = min(low, xy.Y-points.YErrors[j].Low)
			high = max(high, xy.Y+points.YErrors[j].High)
		}
		if err := addLine(p, points, line.Name, i); err != nil {
			return err
		}
	}
	if drawn == 0 {
		return nil
	}
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(low)))
	p.Y.Max = math.Pow(10, math.Ceil(math.Log10(high*1.2)))
	if c.Share {
		p.Y.Scale, p.Y.Tick.Marker = plot.LinearScale{}, plot.DefaultTicks{}
		p.Y.Min, p.Y.Max = 0, 100
		p.X.Tick.Marker = places(c.Lines[0].X)
	}
	return save(p, chartHeight, path)
}

// points are medians with their spread.
type points struct {
	plotter.XYs
	plotter.YErrors
}

func linePoints(o suite.Outcome, c suite.Chart, line suite.Line) points {
	var all points
	for i, side := range line.Sides {
		s, ok := o.Summary(side, c.Metric)
		if !ok {
			continue
		}
		y, a, b := c.Value(s.Median), c.Value(s.Low), c.Value(s.High)
		all.XYs = append(all.XYs, plotter.XY{X: place(line.X[i]), Y: y})
		all.YErrors = append(all.YErrors, struct{ Low, High float64 }{y - min(a, b), max(a, b) - y})
	}
	return all
}

// place is where a size is drawn: there is no 0 on a logarithmic axis.
func place(x float64) float64 {
	if x == 0 {
		return 1
	}
	return x
}

func addLine(p *plot.Plot, all points, name string, i int) error {
	line, marks, err := plotter.NewLinePoints(all.XYs)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(all)
	if err != nil {
		return err
	}
	line.Color, marks.Color, bars.Color = palette[i], palette[i], palette[i]
	line.Width = vg.Points(1.5)
	marks.Shape = draw.CircleGlyph{}
	p.Add(line, marks, bars)
	p.Legend.Add(name, line, marks)
	return nil
}

// save draws a chart on white with a margin.
func save(p *plot.Plot, height vg.Length, path string) error {
	const margin = 0.15 * vg.Inch
	// With its fonts, since others are wider, and labels would run into the bars.
	canvas := vgsvg.NewWith(vgsvg.UseWH(chartWidth, height), vgsvg.EmbedFonts(true))
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	p.Draw(draw.Crop(c, margin, -2*margin, margin, -margin))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

// grouped marks an axis like plot does, but writes 10000 as 10,000.
type grouped struct{}

func (grouped) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = suite.Figure(t.Value)
		}
	}
	return ticks
}

// places marks the sizes that were measured.
func places(all []float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, x := range all {
		ticks = append(ticks, plot.Tick{Value: place(x), Label: suite.Figure(x)})
	}
	return ticks
}

// tens marks the powers of ten.
type tens struct{}

func (tens) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	for e := first; e <= last; e++ {
		if v := math.Pow(10, e); v >= low*0.999 && v <= high*1.001 {
			ticks = append(ticks, plot.Tick{Value: v, Label: suite.Figure(v)})
		}
	}
	return ticks
}
