package page

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDocument reads any document in any charset. Its links are web addresses, each once.
func FuzzDocument(f *testing.F) {
	f.Add("<base href=/a/><a href=b>x</a><a href='b' href=c rel=nofollow><meta name=robots content='none'>", "text/html; charset=utf-8")
	f.Add("<a href=//x:1/%zz><area href=javascript:x><base href=\"http://[::1", "text/html; charset=utf-16le")
	f.Add("<a href=\xff\xfe", "text/html; charset=nonsense")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		d := parse(strings.NewReader(body), contentType, "berth-crawler")
		seen := map[string]bool{}
		for _, link := range d.links(&url.URL{Scheme: "http", Host: "example.com", Path: "/"}) {
			require.False(t, seen[link], "%q is there twice", link)
			seen[link] = true
			u, err := url.Parse(link)
			require.NoError(t, err)
			require.Contains(t, []string{"http", "https"}, u.Scheme)
		}
	})
}

// FuzzDirectives reads any X-Robots-Tag: "none" counts wherever it stands in a list.
func FuzzDirectives(f *testing.F) {
	f.Add("noindex, nofollow")
	f.Add("berth-crawler: none")
	f.Add("unavailable_after: 25 Jun 2010 15:00:00 PST")
	f.Fuzz(func(t *testing.T, value string) {
		once := directivesOf(http.Header{"X-Robots-Tag": {value}}, "berth-crawler")
		twice := directivesOf(http.Header{"X-Robots-Tag": {value, "*: none"}}, "berth-crawler")
		require.True(t, twice.noFollow && twice.noIndex)
		require.Equal(t, once, directivesOf(http.Header{"X-Robots-Tag": {value, "all"}}, "berth-crawler"))
	})
}
