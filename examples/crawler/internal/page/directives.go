package page

import (
	"net/http"
	"strings"
)

// Directives are what a page asks of crawlers, in its head or its headers.
type directives struct {
	noFollow bool // follow no link on it
	noIndex  bool // do not keep it for others to find
}

// add enters a list such as "noindex, nofollow".
func (d *directives) add(list string) {
	for word := range strings.SplitSeq(list, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "nofollow":
			d.noFollow = true
		case "noindex":
			d.noIndex = true
		case "none":
			d.noFollow, d.noIndex = true, true
		}
	}
}

// directivesOf reads X-Robots-Tag, each of which may begin with the name of the
// one crawler that it is for.
func directivesOf(h http.Header, product string) (d directives) {
	for _, list := range h.Values("X-Robots-Tag") {
		name, rest, named := strings.Cut(list, ":")
		name = strings.TrimSpace(name)
		switch {
		case !named || strings.Contains(name, ",") || hasValue[strings.ToLower(name)]:
			d.add(list)
		case strings.EqualFold(name, product) || name == "*" || strings.EqualFold(name, "robots"):
			d.add(rest)
		}
	}
	return d
}

// hasValue are the directives that are followed by a colon, as a name is.
var hasValue = map[string]bool{
	"unavailable_after": true, "max-snippet": true, "max-image-preview": true, "max-video-preview": true,
}
