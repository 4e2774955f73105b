package suite

import (
	"fmt"
	"math"
	"strings"

	"github.com/berth-go/berth/benchmarks/internal/stat"
)

// A Row is a line of the table: something that is measured, and the target.
type Row struct {
	What   string
	Of     Of
	Target Target
	// Stand is the side that stands in for the base where that is not available
	// here, so that the reader must know how the two compare. It may be "".
	Stand string
}

// Of says how a row's figure is computed from a round.
type Of struct {
	kind   kind
	side   string
	base   string // the peer, where there is one
	metric string
}

type kind uint8

const (
	value kind = iota // the side's metric
	cost              // the side's metric divided by the base's
	speed             // the base's metric divided by the side's
)

// Value is a side's own figure.
func Value(side, metric string) Of { return Of{kind: value, side: side, metric: metric} }

// Cost is how much a side's figure is of the base's: lower is better.
func Cost(side, base, metric string) Of {
	return Of{kind: cost, side: side, base: base, metric: metric}
}

// Speed is how many times as many jobs a second a side does as the base:
// higher is better.
func Speed(side, base string) Of { return Of{kind: speed, side: side, base: base, metric: PerJob} }

func (of Of) sides() []string {
	if of.kind == value {
		return []string{of.side}
	}
	return []string{of.side, of.base}
}

// value computes the figure of one round; it is NaN if a part is missing.
func (of Of) value(round map[string]Result) float64 {
	get := func(side string) float64 {
		if v, ok := round[side][of.metric]; ok {
			return v
		}
		return math.NaN()
	}
	switch of.kind {
	case value:
		return get(of.side)
	case cost:
		return get(of.side) / get(of.base)
	default:
		return get(of.base) / get(of.side)
	}
}

// Amount writes what one side measured: where speeds are compared, as jobs a
// second.
func (of Of) Amount(s stat.Summary) string {
	if of.kind == speed {
		return Figure(1e9/s.Median) + " jobs/s"
	}
	return Figure(s.Median) + " " + strings.ReplaceAll(of.metric, "-", " ")
}

// A Target is what a figure should be.
type Target struct {
	atMost bool
	limit  float64
	unit   string // "×", "ns", …
}

// AtLeast is a target that higher figures meet.
func AtLeast(limit float64, unit string) Target { return Target{limit: limit, unit: unit} }

// AtMost is a target that lower figures meet.
func AtMost(limit float64, unit string) Target {
	return Target{atMost: true, limit: limit, unit: unit}
}

// Met reports whether a figure meets the target.
func (t Target) Met(figure float64) bool {
	if t.atMost {
		return figure <= t.limit
	}
	return figure >= t.limit
}

func (t Target) String() string {
	sign := "≥"
	if t.atMost {
		sign = "≤"
	}
	return sign + " " + t.Format(t.limit)
}

// Format writes a figure in the target's unit.
func (t Target) Format(figure float64) string {
	switch {
	case t.unit == "":
		return Figure(figure)
	case t.unit == "×":
		return Figure(figure) + " ×"
	default:
		return Figure(figure) + " " + t.unit
	}
}

// Figure writes a number with as many digits as a reader needs.
func Figure(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v), math.IsInf(v, 0):
		return "none"
	case size >= 100:
		return thousands(int64(math.Round(v)))
	case size >= 10:
		return trim(fmt.Sprintf("%.1f", v))
	default:
		return trim(fmt.Sprintf("%.2f", v))
	}
}

func trim(s string) string {
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Measured is a row with what the rounds gave.
type Measured struct {
	Row
	Summary stat.Summary
	// Side and Base are the metric of the two sides, each by itself.
	Side, Base stat.Summary
	StoodIn    bool   // the stand-in took the base's place
	Missing    string // why there is no figure; empty if there is one
}

// Measured computes the group's rows.
func (o Outcome) Measured() []Measured {
	var rows []Measured
	for _, row := range o.Group.Rows {
		m := Measured{Row: row}
		if row.Stand != "" && o.Absent[row.Of.base] != "" {
			m.Row.Of.base, m.StoodIn = row.Stand, true
		}
		for _, side := range m.Of.sides() {
			if why := o.Absent[side]; why != "" {
				m.Missing = why
			}
		}
		if m.Missing == "" {
			ok := false
			if m.Summary, ok = o.summarize(m.Of); !ok {
				m.Missing = "a side did not report " + m.Of.metric
			}
			m.Side, _ = o.Summary(m.Of.side, m.Of.metric)
			m.Base, _ = o.Summary(m.Of.base, m.Of.metric)
		}
		rows = append(rows, m)
	}
	return rows
}

// Sides returns the side that is measured, and its base or "".
func (r Row) Sides() (side, base string) { return r.Of.side, r.Of.base }
