// Package pages takes the pages of this repository apart, so that tests can hold
// them to what they say: code, commands, links.
package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// A Page is a file in Markdown.
type Page struct {
	Name string // from the folder that it was read from
	Text string
}

// Read reads pages from a folder. A name may be a pattern of filepath.Glob.
func Read(folder string, names ...string) ([]Page, error) {
	var all []Page
	for _, name := range names {
		files, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("there is no page %s", name)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			rel, err := filepath.Rel(folder, file)
			if err != nil {
				return nil, err
			}
			all = append(all, Page{filepath.ToSlash(rel), string(text)})
		}
	}
	return all, nil
}

// A Block is what stands between two fences.
type Block struct {
	Line     int    // of its first fence, from 1
	Language string // behind the fence
	// From is the file that the block is quoted from: what a comment says in the
	// line before the fence, as in <!-- examples/book/rates_test.go -->.
	From string
	Text string
}

var (
	fence = regexp.MustCompile("^```(\\w*)$")
	from  = regexp.MustCompile(`^<!-- (\S+) -->$`)
)

// Blocks returns the blocks of the page, in their order.
func (p Page) Blocks() []Block {
	var all []Block
	var open *Block
	before := ""
	for i, line := range strings.Split(p.Text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open = &Block{Line: i + 1, Language: m[1]}
			if f := from.FindStringSubmatch(before); f != nil {
				open.From = f[1]
			}
		case m != nil:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		}
		before = line
	}
	return all
}

// prose is the page without its blocks and without what is code in a line.
func (p Page) prose() string {
	text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(p.Text, "")
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "`code`")
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)|\b(?:src|srcset|href)="([^"\s]+)"`)

// Links returns where the links and pictures of the page lead, as they are written,
// but for those to other sites.
func (p Page) Links() []string {
	var all []string
	for _, m := range link.FindAllStringSubmatch(p.prose(), -1) {
		if to := m[1] + m[2]; !strings.Contains(to, "://") && !strings.HasPrefix(to, "mailto:") {
			all = append(all, to)
		}
	}
	return all
}

// Anchors returns the names of the page's headings, as GitHub makes them.
func (p Page) Anchors() map[string]bool {
	all := map[string]bool{}
	inBlock := false
	for line := range strings.Lines(p.Text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
		}
		marks := len(line) - len(strings.TrimLeft(line, "#"))
		if inBlock || marks == 0 || !strings.HasPrefix(line[marks:], " ") {
			continue
		}
		name := anchor(line[marks+1:])
		unique := name
		for n := 1; all[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		all[unique] = true
	}
	return all
}

// linked is a link in a heading, of which the text counts.
var linked = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// anchor returns the name of a heading.
func anchor(heading string) string {
	heading = linked.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// Quotes reports whether text stands in the lines of source, one after the other and
// whatever they are indented by.
func Quotes(source, text string) bool {
	lines, want := strings.Split(source, "\n"), strings.Split(strings.TrimRight(text, "\n"), "\n")
	for first := range lines {
		if first+len(want) <= len(lines) && quotedAt(lines[first:first+len(want)], want) {
			return true
		}
	}
	return false
}

// quotedAt reports whether lines are those of want, each behind the same indent.
func quotedAt(lines, want []string) bool {
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], "\t "))]
	own := want[0][:len(want[0])-len(strings.TrimLeft(want[0], "\t "))]
	if !strings.HasSuffix(indent, own) {
		return false
	}
	indent = strings.TrimSuffix(indent, own)
	for i := range lines {
		if line := indent + want[i]; lines[i] != line && strings.TrimSpace(lines[i]+want[i]) != "" {
			return false
		}
	}
	return true
}
