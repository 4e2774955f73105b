package robots

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/berth-go/berth/examples/crawler/internal/link"
)

// A rule is an allow or disallow line.
type rule struct {
	allow    bool
	size     int      // octets of the pattern: of the rules that match, the longest decides
	parts    []string // what lies between the stars
	anchored bool     // the last part is the path's end
}

// newRule reads a pattern, in which "*" stands for anything, also nothing, and a
// "$" at the end for the end of the path.
func newRule(pattern string, allow bool) rule {
	r := rule{allow: allow}
	pattern, r.anchored = strings.CutSuffix(pattern, "$")
	for part := range strings.SplitSeq(pattern, "*") {
		part = canonical(part)
		r.parts = append(r.parts, part)
		r.size += len(part)
	}
	r.size += len(r.parts) - 1
	if r.anchored {
		r.size++
	}
	return r
}

// matches reports whether the rule is about path, which is canonical.
func (r rule) matches(path string) bool {
	first, rest := r.parts[0], r.parts[1:]
	path, ok := strings.CutPrefix(path, first)
	if !ok {
		return false
	}
	if len(rest) == 0 {
		return !r.anchored || path == ""
	}
	last := len(rest) - 1
	for i, part := range rest {
		if r.anchored && i == last {
			return strings.HasSuffix(path, part)
		}
		at := strings.Index(path, part)
		if at < 0 {
			return false
		}
		path = path[at+len(part):]
	}
	return true
}

// Allows reports whether the crawler may ask for a path, as it stands in a
// request: percent-encoded, with its query.
func (r *Rules) Allows(path string) bool {
	return r.allows(canonical(path)) && r.allows(canonical(lenient(path)))
}

func (r *Rules) allows(path string) bool {
	if path == "/robots.txt" {
		return true
	}
	allowed, longest := true, -1
	for _, rule := range r.rules {
		if rule.size < longest || rule.size == longest && !rule.allow {
			continue // it could not change anything
		}
		if rule.matches(path) {
			allowed, longest = rule.allow, rule.size
		}
	}
	return allowed
}

// canonical returns a path or a part of a pattern in the one spelling in which
// they are compared. A star and a dollar that mean themselves are written %2A
// and %24, as a pattern must.
func canonical(path string) string {
	return literals.Replace(link.Escaped(path))
}

var literals = strings.NewReplacer("*", "%2A", "$", "%24")

// lenient returns the path that a server may take path for that decodes it
// before it looks for slashes and dots. To some of them "..;x" is "..", too.
func lenient(p string) string {
	p, query, hasQuery := strings.Cut(p, "?")
	decoded := dotParameters.ReplaceAllString(link.Unescaped(p), "$1")
	clean := path.Clean("/" + strings.ReplaceAll(decoded, `\`, "/"))
	if clean != "/" && strings.HasSuffix(decoded, "/") {
		clean += "/"
	}
	clean = (&url.URL{Path: clean}).EscapedPath()
	if hasQuery {
		clean += "?" + query
	}
	return clean
}

var dotParameters = regexp.MustCompile(`([/\\]\.\.?);[^/\\]*`)
