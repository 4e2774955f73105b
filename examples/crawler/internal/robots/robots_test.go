package robots

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const product = "berth-crawler"

// allowed returns which of the paths text allows.
func allowed(text string, paths ...string) (yes []string) {
	rules := Parse([]byte(text), product)
	for _, p := range paths {
		if rules.Allows(p) {
			yes = append(yes, p)
		}
	}
	return yes
}

// The examples of RFC 9309, section 5.
func TestExamplesOfTheRFC(t *testing.T) {
	simple := `User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: berth-crawler
Disallow:*
Allow:/page1.html
Allow:/page2.html
`
	require.Equal(t, []string{"/page1.html", "/page2.html"}, allowed(simple, "/page1.html", "/page2.html", "/", "/publications/", "/x.gif"))
	longest := "User-Agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
	require.Equal(t, []string{"/example/page/x"}, allowed(longest, "/example/page/x", "/example/page/disallowed.gif"))
}

func TestGroupOfTheCrawlerHoldsWhereverItStandsAndHoweverOften(t *testing.T) {
	const text = `Disallow: /before-any-group
User-agent: *
Disallow: /others
User-agent: BERTH-Crawler/0.1 (all versions)
User-agent: other
Disallow: /both
User-agent: other
Disallow: /other
User-agent: berth-crawler
Sitemap: https://example.com/sitemap.xml
Disallow: /again
`
	require.Equal(t, []string{"/before-any-group", "/others", "/other"},
		allowed(text, "/before-any-group", "/others", "/both", "/other", "/again"))
}

func TestNamesThatOnlyLookAlikeAreOthers(t *testing.T) {
	for _, name := range []string{"berth", "berth-crawler-news", "crawler", "xberth-crawler", "*x", "", "Mozilla/5.0 berth-crawler"} {
		require.Equal(t, []string{"/a"}, allowed("User-agent: "+name+"\nDisallow: /a\nUser-agent: *\nDisallow: /b\n", "/a", "/b"), name)
	}
}

func TestEmptyGroupOfTheCrawlerAllowsAll(t *testing.T) {
	require.Equal(t, []string{"/a"}, allowed("User-agent: *\nDisallow: /\nUser-agent: berth-crawler\nDisallow:\n", "/a"))
	require.Equal(t, []string{"/a"}, allowed("User-agent: *\nDisallow: /\nUser-agent: berth-crawler", "/a"))
}

func TestLongestRuleDecidesAndAllowWinsATie(t *testing.T) {
	for rules, want := range map[string]bool{
		"Disallow: /a\nAllow: /a":                 true,
		"Allow: /a\nDisallow: /a":                 true,
		"Disallow: /a/b\nAllow: /a":               false,
		"Allow: /a/b\nDisallow: /a":               true,
		"Disallow: /\nAllow: /a/":                 true,
		"Disallow: /*/b\nAllow: /a":               false,
		"Disallow: /a/b$\nAllow: /a/b":            false,
		"Disallow: /a/%62\nAllow: /a/b":           true, // two spellings are as long as each other
		"Disallow: /a/%c3%a4\nAllow: /a/":         true,
		"Disallow: a/b":                           true,
		"Disallow: https://example.com/a/b":       true,
		"Disallow:   /a/b   # not for the public": false,
	} {
		require.Equal(t, want, len(allowed("User-agent: *\n"+rules, "/a/b")) == 1, rules)
	}
}

func TestStarAndDollar(t *testing.T) {
	for _, c := range []struct {
		pattern        string
		forbids, leave []string
	}{
		{"/*.php", []string{"/x.php", "/a/x.php?q", "/.php", "/x.php/y"}, []string{"/x.PHP", "/php"}},
		{"/*.php$", []string{"/x.php", "/a.php.php"}, []string{"/x.php?q", "/x.php5", "/x.php/"}},
		{"/$", []string{"/"}, []string{"/a", "/?"}},
		{"*", []string{"/", "/a"}, nil},
		{"/a**b", []string{"/ab", "/axb", "/aaxxbb"}, []string{"/a", "/ba"}},
		{"/a*", []string{"/a", "/ab"}, []string{"/b"}},
		{"/a*b*c$", []string{"/abc", "/a-b-c", "/abbcc"}, []string{"/abcd", "/acb", "/ac"}},
		{"/a*a$", []string{"/aa", "/axa"}, []string{"/a"}},
		{"/a$b", []string{"/a$b", "/a%24b"}, []string{"/a"}},
		{"/a%2Ab", []string{"/a*b", "/a%2ab"}, []string{"/axb"}},
		{"/a%24", []string{"/a$", "/a$b"}, []string{"/a"}},
	} {
		text := "User-agent: *\nDisallow: " + c.pattern
		require.Empty(t, allowed(text, c.forbids...), c.pattern)
		require.Equal(t, c.leave, allowed(text, c.leave...), c.pattern)
	}
}

func TestPathIsForbiddenInEverySpelling(t *testing.T) {
	for pattern, spellings := range map[string][]string{
		"/private": {"/private/2", "/%70rivate/2", "/%50rivate/../private", "//private/2", "/./private", "/x/../private", "/x/%2e%2e/private", "/x%2f..%2fprivate", "/%5Cprivate", "/private%2F2", "/x/..;/private", "/x/%2e.%3Ba=b/.;/private/2"},
		"/a/b/":    {"/a/b/", "/a%2Fb/", "/a%2fb%2f", "/a//b/", "/a/b//"},
		"/ä":       {"/%C3%A4", "/%c3%a4", "/ä"},
		"/%C3%A4":  {"/%C3%A4", "/%c3%a4", "/ä"},
		"/x y":     {"/x%20y"},
		"/q?a=b":   {"/q?a=b", "/q?%61=b&c", "/%71?a=b"},
		"/a%2fb":   {"/a%2Fb", "/a%2fb"},
	} {
		require.Empty(t, allowed("User-agent: *\nDisallow: "+pattern, spellings...), pattern)
	}
	require.Equal(t, []string{"/a/b"}, allowed("User-agent: *\nDisallow: /a%2Fb", "/a/b"), "a slash that is part of a name is no slash")
	require.Equal(t, []string{"/PRIVATE"}, allowed("User-agent: *\nDisallow: /private", "/PRIVATE"), "case counts")
}

func TestRobotsTxtItselfMayAlwaysBeAskedFor(t *testing.T) {
	require.Equal(t, []string{"/robots.txt"}, allowed("User-agent: *\nDisallow: /", "/robots.txt", "/robots.txt.bak"))
}

func TestWhatCannotBeReadIsSkippedLineByLine(t *testing.T) {
	const text = "<!doctype html>\n\x00\xff\xfe::::\n:\nUser-agent: *\nCrawl-delay: fast\nDisallow /one\nNoindex: /x\nDissallow: /two\nCrawl-delay\n Disallow : /three \nAllow"
	require.Equal(t, []string{"/four"}, allowed(text, "/one", "/two", "/three", "/four"))
}

func TestLineEndsAndByteOrderMarksOfAllKinds(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r", "\n\n", "\r\n\r\n"} {
		for _, mark := range []string{"", "\uFEFF"} {
			text := mark + strings.Join([]string{"User-agent: *", "Disallow: /a", "Allow: /a/b"}, end)
			require.Equal(t, []string{"/a/b", "/c"}, allowed(text, "/a", "/a/b", "/c"), "%q", text)
		}
	}
	big, little := []byte{0xFE, 0xFF}, []byte{0xFF, 0xFE}
	for _, c := range "User-agent: *\r\nDisallow: /ä" {
		big = append(big, byte(c>>8), byte(c))
		little = append(little, byte(c), byte(c>>8))
	}
	for _, text := range [][]byte{big, little} {
		require.Equal(t, []string{"/a"}, allowed(string(text), "/a", "/%C3%A4"))
	}
}

func TestCrawlDelay(t *testing.T) {
	for lines, want := range map[string]time.Duration{
		"Crawl-delay: 2":                       2 * time.Second,
		"crawl-delay:0.5 # half":               500 * time.Millisecond,
		"Crawl-delay: 1\nCrawl-delay: 3":       3 * time.Second,
		"Crawl-delay: fast":                    0,
		"Crawl-delay: -1":                      0,
		"Crawl-delay: 10s":                     0,
		"Crawl-delay: Inf":                     0,
		"Crawl-delay: NaN":                     0,
		"Crawl-delay: 1.2.3":                   0,
		"Crawl-delay: .":                       0,
		"Crawl-delay:":                         0,
		"Crawl-delay: 99999999999999999999999": longestDelay,
	} {
		require.Equal(t, want, Parse([]byte("User-agent: *\n"+lines), product).CrawlDelay(), lines)
	}
	require.Zero(t, Parse([]byte("User-agent: *\nCrawl-delay: 5\nUser-agent: berth-crawler\nDisallow: /a"), product).CrawlDelay(),
		"what is for the others is not for us")
}

func TestHugeFileIsReadUpToItsBoundAndNoLineInHalf(t *testing.T) {
	begin := "User-agent: *\nDisallow: /first\n"
	filler := strings.Repeat("# filler\n", (500<<10-len(begin))/9)
	require.Equal(t, []string{"/other"}, allowed(begin+filler+"Disallow: /last\n", "/first", "/last", "/other"), "500 KiB at least")

	text := []byte(begin + strings.Repeat("#", MaxSize-len(begin)-12) + "\nDisallow: /x/private\n")
	require.Equal(t, "Disallow: /", string(text[MaxSize-11:MaxSize]), "where it is cut")
	rules := Parse(text, product)
	require.False(t, rules.Allows("/first"))
	require.True(t, rules.Allows("/y"))
	require.NotPanics(t, func() { Parse(bytes.Repeat([]byte("x"), 2*MaxSize), product) })
}

// A dumb model of the patterns: every way in which the stars can be filled.
func matchesSlowly(pattern, path string) bool {
	switch {
	case pattern == "":
		return true
	case pattern == "$":
		return path == ""
	case pattern[0] == '*':
		return matchesSlowly(pattern[1:], path) || path != "" && matchesSlowly(pattern, path[1:])
	default:
		return path != "" && pattern[0] == path[0] && matchesSlowly(pattern[1:], path[1:])
	}
}

func TestEveryShortPatternMatchesWhatItsModelDoes(t *testing.T) {
	var words func(alphabet string, n int, f func(string))
	words = func(alphabet string, n int, f func(string)) {
		f("")
		for i := range len(alphabet) * min(n, 1) {
			words(alphabet, n-1, func(w string) { f(alphabet[i:i+1] + w) })
		}
	}
	words("ab*", 5, func(pattern string) {
		for _, end := range []string{"", "$"} {
			r := newRule("/"+pattern+end, false)
			words("ab", 4, func(path string) {
				require.Equal(t, matchesSlowly("/"+pattern+end, "/"+path), r.matches("/"+path), "%s%s %s", pattern, end, path)
			})
		}
	})
}

// Whatever a file says, it is read, and a path is judged the same in the other
// spelling.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"User-agent: *\nDisallow: /*a$\nCrawl-delay: 1e9", "\xff\xfeU\x00", "\uFEFFuser-agent:x\rallow:%", "User-agent: berth-crawler\nAllow: *%2a%"} {
		f.Add([]byte(s), "/a%2f?b")
	}
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		rules := Parse(text, product)
		require.GreaterOrEqual(t, rules.CrawlDelay(), time.Duration(0))
		require.LessOrEqual(t, rules.CrawlDelay(), longestDelay)
		require.Equal(t, rules.Allows(path), rules.Allows(canonical(path)), "another spelling of %q", path)
	})
}
