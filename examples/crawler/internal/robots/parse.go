package robots

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// MaxSize is how many bytes of a robots.txt are read. RFC 9309 asks for 500 KiB
// at least. A line that is cut off there is not read.
const MaxSize = 512 << 10

// longestDelay is what a longer Crawl-delay counts as.
const longestDelay = 365 * 24 * time.Hour

// Rules is what a robots.txt says to one crawler. The zero Rules allow all.
type Rules struct {
	rules []rule
	delay time.Duration
}

// CrawlDelay is the time that the site wants between two requests, or 0.
func (r *Rules) CrawlDelay() time.Duration { return r.delay }

// Parse reads the robots.txt text for the crawler with the given product token,
// the part of its User-Agent before the slash.
func Parse(text []byte, product string) *Rules {
	p := parser{product: product}
	for line := range lines(decoded(bounded(text))) {
		p.line(line)
	}
	if p.named {
		return &p.own
	}
	return &p.others
}

// bounded cuts text at MaxSize, before the line that would be cut in two.
func bounded(text []byte) []byte {
	if len(text) <= MaxSize {
		return text
	}
	return text[:bytes.LastIndexAny(text[:MaxSize], "\r\n")+1]
}

// decoded returns text as UTF-8 without a byte order mark. Some editors write
// UTF-16, of which a site's owner sees nothing.
func decoded(text []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte{0xFF, 0xFE}):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte{0xFE, 0xFF}):
		order = binary.BigEndian
	default:
		return strings.TrimPrefix(string(text), "\uFEFF")
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, order.Uint16(text[i:]))
	}
	return string(utf16.Decode(units))
}

// lines yields the lines of text, which end in LF, CR or both.
func lines(text string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// A parser collects what the groups say to one crawler, and what those say that
// are for all others.
type parser struct {
	product string
	own     Rules // of groups that name the product
	others  Rules // of groups for "*"
	named   bool  // there was a group that names the product

	// What the present group is for. A group is a run of user-agent lines and
	// the rules after it, so a user-agent line after a rule begins another.
	forOwn, forOthers, rulesBegun bool
}

func (p *parser) line(line string) {
	line, _, _ = strings.Cut(line, "#")
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		// Seen in the wild: "Disallow /private".
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return
		}
		key, value = fields[0], fields[1]
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "user-agent", "useragent", "user agent":
		p.agent(value)
	case "allow":
		p.rule(value, true)
	case "disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw":
		p.rule(value, false)
	case "crawl-delay", "crawldelay", "crawl delay":
		p.delay(value)
	}
}

func (p *parser) agent(value string) {
	if p.rulesBegun {
		p.forOwn, p.forOthers, p.rulesBegun = false, false, false
	}
	switch {
	case value == "*" || strings.HasPrefix(value, "* "):
		p.forOthers = true
	case strings.EqualFold(token(value), p.product):
		p.forOwn, p.named = true, true
	}
}

// token returns the product token that a user-agent line begins with, without a
// version and what else there may be.
func token(value string) string {
	end := strings.IndexFunc(value, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-' || r == '_')
	})
	if end < 0 {
		return value
	}
	return value[:end]
}

func (p *parser) rule(pattern string, allow bool) {
	p.rulesBegun = true
	if pattern == "" || pattern[0] != '/' && pattern[0] != '*' {
		return // an empty one forbids and allows nothing; any other matches no path
	}
	p.each(func(r *Rules) { r.rules = append(r.rules, newRule(pattern, allow)) })
}

// delay enters a Crawl-delay. Of several the longest holds.
func (p *parser) delay(value string) {
	if strings.Trim(value, "0123456789.") != "" {
		return // a number that strconv knows and nobody means: 0x1p4, Inf
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return
	}
	d := longestDelay
	if seconds < longestDelay.Seconds() {
		d = time.Duration(seconds * float64(time.Second))
	}
	p.each(func(r *Rules) { r.delay = max(r.delay, d) })
}

// each calls f with the rules that the present group adds to.
func (p *parser) each(f func(*Rules)) {
	if p.forOwn {
		f(&p.own)
	}
	if p.forOthers {
		f(&p.others)
	}
}
