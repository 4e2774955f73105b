package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a site whose pages answer with a content type and a body, and
// returns its address and a fetcher.
func serve(t *testing.T, h http.HandlerFunc) (string, *Fetcher) {
	s := httptest.NewServer(h)
	f := NewFetcher("berth-crawler", 2)
	t.Cleanup(func() { f.Close(); s.Close() })
	return s.URL, f
}

func TestLinksAreAbsoluteWithoutFragmentsAndOnceEach(t *testing.T) {
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<a href="x.go">x</a> <A HREF='../up/'>u</A> <a class=b href=/x%20y#top>s</a> <a href="x.go#1">again</a>
			<a name=here>no target</a> <a href="mailto:a@b">m</a> <a href="http://other.example">o</a> <a href=" ?q=1&amp;r=2 ">q</a>
			<a href="http://%zz">bad</a> <!-- <a href="/comment">c</a> --> <a href="/brok`))
	})
	p, err := f.Fetch(t.Context(), base+"/dir/")
	require.NoError(t, err)
	require.Equal(t, 200, p.Status)
	require.Equal(t, []string{
		base + "/dir/x.go", base + "/up/", base + "/x%20y", "http://other.example/", base + "/dir/?q=1&r=2",
	}, p.Links)
}

func TestOnlyHTMLIsSearchedForLinksAndAllBytesAreCounted(t *testing.T) {
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(`<a href="x">`))
	})
	p, err := f.Fetch(t.Context(), base)
	require.NoError(t, err)
	require.Equal(t, Page{Status: 200, Bytes: 12}, p)
}

func TestRedirectIsAPageWhoseLinkIsItsTarget(t *testing.T) {
	requests := 0
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/there/", http.StatusMovedPermanently)
	})
	p, err := f.Fetch(t.Context(), base+"/there")
	require.NoError(t, err)
	require.Equal(t, 301, p.Status)
	require.Equal(t, []string{base + "/there/"}, p.Links)
	require.Equal(t, 1, requests, "not followed: that would be a request without a slot")
}

func TestAnswerThatBreaksOffIsNoPage(t *testing.T) {
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("short"))
	})
	_, err := f.Fetch(t.Context(), base)
	require.Error(t, err)
}

func TestFetchEndsWithItsContext(t *testing.T) {
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := f.Fetch(ctx, base)
	require.ErrorIs(t, err, context.Canceled)
}

func robots(t *testing.T, status int, text string) (*Robots, error) {
	base, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/robots.txt", r.URL.Path)
		w.WriteHeader(status)
		w.Write([]byte(text))
	})
	u, err := url.Parse(base + "/some/page")
	require.NoError(t, err)
	return f.Robots(t.Context(), u)
}

func TestRobotsAreObeyed(t *testing.T) {
	r, err := robots(t, 200, "User-agent: *\nDisallow: /all\n\nUser-agent: berth-crawler\nDisallow: /private\nDisallow: /*?print\nCrawl-delay: 2\n")
	require.NoError(t, err)
	require.True(t, r.Allows("http://x/all"), "the rules for this crawler hold, not those for the others")
	require.False(t, r.Allows("http://x/private/page"))
	require.False(t, r.Allows("http://x/page?print=1"))
	require.False(t, r.Allows("http://%zz"))
	require.Equal(t, 2*time.Second, r.CrawlDelay())
}

func TestSiteWithoutRobotsAllowsAllAndOneThatIsIllAllowsNothing(t *testing.T) {
	r, err := robots(t, 404, "")
	require.NoError(t, err)
	require.True(t, r.Allows("http://x/private"))
	_, err = robots(t, 503, "")
	require.ErrorContains(t, err, "503")
}
