package link

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func resolve(t *testing.T, base, target string) string {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	address, ok := Resolve(u, target)
	if !ok {
		return ""
	}
	return address
}

func TestOnePageHasOneAddressHoweverItIsSpelled(t *testing.T) {
	const page = "http://example.com/a/b"
	for _, spelling := range []string{
		"http://example.com/a/b", "HTTP://Example.COM/a/b", "http://example.com:80/a/b", "http://example.com:/a/b",
		"http://example.com:0080/a/b", "http://example.com./a/b", "http://example.com/%61/%62", "http://example.com/x/../a/./b",
		"http://example.com/x/%2e%2E/a/b", "http://example.com/../a/b", "http://example.com/a/b#top", "http://example.com/a/b?",
		"//example.com/a/b", "/a/b", "b", "./b", "../a/b", " b\n", "/a\n/b", `\a\b`, `http:\\example.com\a\b`,
	} {
		require.Equal(t, page, resolve(t, "http://example.com/a/", spelling), spelling)
	}
}

func TestAddressesOfDifferentPagesStayDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, page := range []string{
		"http://a/", "https://a/", "http://a:8080/", "http://a:443/", "http://b/", "http://a/x", "http://a/X", "http://a/x/", "http://a//x",
		"http://a/x?", "http://a/x?q=1", "http://a/x?q=1&r", "http://a/x%2Fy", "http://a/x/y", "http://a/x%3Fy", "http://a/x?y", "http://a/%25",
	} {
		address := resolve(t, "http://a/", page)
		require.NotEmpty(t, address, page)
		if page == "http://a/x?" {
			continue // the same as /x
		}
		require.Empty(t, seen[address], page)
		seen[address] = page
	}
}

func TestNormalForms(t *testing.T) {
	for given, want := range map[string]string{
		"http://a":                    "http://a/",
		"http://a?q":                  "http://a/?q",
		"https://a:443/":              "https://a/",
		"http://[2001:DB8::1]:80/x":   "http://[2001:db8::1]/x",
		"http://Bücher.example/ä":     "http://xn--bcher-kva.example/%C3%A4",
		"http://under_score.example/": "http://under_score.example/",
		"http://a/x y":                "http://a/x%20y",
		"http://a/%c3%a4":             "http://a/%C3%A4",
		"http://a/x?q=%7e&r=%2f":      "http://a/x?q=~&r=%2F",
		"http://a/x?q=ä b":            "http://a/x?q=%C3%A4%20b",
		"http://a/x?100%":             "http://a/x?100%25",
		"http://a/b/..":               "http://a/",
		"http://a/b/.":                "http://a/b/",
		"http://a/b/c/..":             "http://a/b/",
		"mailto:a@b":                  "",
		"ftp://a/":                    "",
		"http://":                     "",
		"http://user@a/":              "",
		"http://a:99999/":             "",
		"http://a/%zz":                "",
		"http:///x":                   "",
		"javascript:void(0)":          "",
		"http://a b/":                 "",
		"http://a/" + strings.Repeat("x", MaxLength): "",
	} {
		require.Equal(t, want, resolve(t, "https://base.example/", given), given)
	}
}

// Whatever a page links to, what comes of it is its own normal form, and the
// request for it is the one that was checked.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"http://a/%70rivate/2", "http://A:80/../x?%zz#f", `\\a\b`, "//[::1]/%2e%2e/", "?q=%", "http://a/%%411", "/a;b/%3b", "http://%41/"} {
		f.Add(s)
	}
	base, err := url.Parse("http://example.com/dir/page?q")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, target string) {
		address, ok := Resolve(base, target)
		if !ok {
			return
		}
		u, err := url.Parse(address)
		require.NoError(t, err, address)
		again, ok := Normal(u)
		require.True(t, ok, address)
		require.Equal(t, address, again)
		require.NotContains(t, address, "#")
		require.NotContains(t, u.EscapedPath()+"/", "/../")
		require.Equal(t, address, u.Scheme+"://"+u.Host+u.RequestURI(), "what is asked for")
	})
}

func TestUnescapedDecodesAllThatIsAnEscape(t *testing.T) {
	require.Equal(t, "a/b %zz%", Unescaped("%61%2Fb%20%zz%"))
}
