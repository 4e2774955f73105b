package server

import (
	"strconv"
	"strings"

	"github.com/berth-go/berth/dflockd/internal/locktable"
)

// A page is text in the exposition format of Prometheus, version 0.0.4: for
// each family of samples its help and its type, then the samples.
type page struct{ text []byte }

func (p *page) gauge(name, help string, value float64) {
	p.family(name, "gauge", help)
	p.sample(name, value)
}

func (p *page) counter(name, help string, value uint64) {
	p.family(name, "counter", help)
	p.sample(name, float64(value))
}

// histogram writes cumulative buckets, as the format wants them.
func (p *page) histogram(name, help string, h locktable.Histogram) {
	p.family(name, "histogram", help)
	count := uint64(0)
	for i, bound := range locktable.Bounds() {
		count += h.Buckets[i]
		p.sample(name+"_bucket", float64(count), "le", number(bound.Seconds()))
	}
	count = h.Count()
	p.sample(name+"_bucket", float64(count), "le", "+Inf")
	p.sample(name+"_sum", h.Sum.Seconds())
	p.sample(name+"_count", float64(count))
}

func (p *page) family(name, kind, help string) {
	p.add("# HELP ", name, " ", helpText.Replace(help), "\n# TYPE ", name, " ", kind, "\n")
}

// sample writes one value. labels are names and values in turn.
func (p *page) sample(name string, value float64, labels ...string) {
	p.add(name)
	before := "{"
	for i := 0; i < len(labels); i += 2 {
		p.add(before, labels[i], `="`, labelText.Replace(labels[i+1]), `"`)
		before = ","
	}
	if len(labels) > 0 {
		p.add("}")
	}
	p.add(" ", number(value), "\n")
}

func (p *page) add(parts ...string) {
	for _, s := range parts {
		p.text = append(p.text, s...)
	}
}

var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
