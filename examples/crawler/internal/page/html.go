package page

import (
	"io"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"

	"github.com/berth-go/berth/examples/crawler/internal/link"
)

// maxLinks is how many links of a page are followed: enough for any that was
// made for people.
const maxLinks = 10_000

// A document is what is of use in an HTML document.
type document struct {
	directives
	base    string // what its links are relative to; none: its own address
	targets []string
}

// parse reads a document. One that breaks off has what was read up to there.
func parse(body io.Reader, contentType, product string) document {
	d := document{}
	text, err := charset.NewReader(body, contentType)
	if err != nil {
		return d // it is empty, or was broken off at once
	}
	z := html.NewTokenizer(text)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return d
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if !more {
				continue
			}
			switch string(name) {
			case "a", "area":
				d.addLink(attributes(z))
			case "base":
				d.setBase(attributes(z))
			case "meta":
				d.addMeta(attributes(z), product)
			}
		}
	}
}

// attributes returns those of a tag. Of one that is given twice the first holds.
func attributes(z *html.Tokenizer) map[string]string {
	found := map[string]string{}
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		if _, twice := found[string(key)]; !twice {
			found[string(key)] = string(value)
		}
	}
	return found
}

func (d *document) addLink(attrs map[string]string) {
	target, ok := attrs["href"]
	if !ok {
		return
	}
	for _, word := range strings.Fields(attrs["rel"]) {
		if strings.EqualFold(word, "nofollow") {
			return
		}
	}
	d.targets = append(d.targets, target)
}

// setBase takes the first base that there is: the others do not count.
func (d *document) setBase(attrs map[string]string) {
	if d.base == "" {
		d.base = strings.TrimSpace(attrs["href"])
	}
}

func (d *document) addMeta(attrs map[string]string, product string) {
	name := strings.TrimSpace(attrs["name"])
	if strings.EqualFold(name, "robots") || strings.EqualFold(name, product) {
		d.add(attrs["content"])
	}
}

// links returns where the document's links lead, each once. A base counts for
// those before it as well.
func (d *document) links(page *url.URL) (links []string) {
	base := page
	if u, err := link.Reference(page, d.base); d.base != "" && err == nil && u.Host != "" {
		base = u
	}
	seen := map[string]bool{}
	for _, target := range d.targets {
		address, ok := link.Resolve(base, target)
		if !ok || seen[address] {
			continue
		}
		if len(links) == maxLinks {
			break
		}
		seen[address] = true
		links = append(links, address)
	}
	return links
}
