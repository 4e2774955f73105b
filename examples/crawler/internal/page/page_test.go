package page

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/crawler/internal/robots"
	"github.com/berth-go/berth/examples/crawler/internal/trouble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const agent = "berth-crawler/0.1 (+https://example.org)"

// inWeb runs f in a bubble with a site h and a fetcher.
func inWeb(t *testing.T, site trouble.Site, f func(t *testing.T, web *trouble.Web, fetcher *Fetcher)) {
	synctest.Test(t, func(t *testing.T) {
		web := trouble.NewWeb(map[string]trouble.Site{"h": site})
		defer web.Start()()
		fetcher := NewFetcher(Config{Agent: agent, Conns: 2, Dial: web.Dial})
		defer fetcher.Close()
		f(t, web, fetcher)
	})
}

// fetched returns what comes of the page of a site with only that.
func fetched(t *testing.T, answer http.HandlerFunc) (p Page, err error) {
	inWeb(t, trouble.Site{"/dir/": answer}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
		p, err = f.Fetch(t.Context(), "http://h/dir/")
	})
	return p, err
}

func TestLinksAreInNormalFormAndOnceEach(t *testing.T) {
	p, err := fetched(t, trouble.HTML(`<a href="x.go">x</a> <A HREF='../up/'>u</A> <a class=b href=/x%20y#top>s</a> <a href="x.go#1">again</a>
		<a name=here>no target</a> <a href="mailto:a@b">m</a> <a href="http://other.example">o</a> <a href=" ?q=1&amp;r=2 ">q</a>
		<a href="http://%zz">bad</a> <!-- <a href="/comment">c</a> --> <area href="/%6Dap"> <script>"<a href=/script>"</script> <a href="/brok`))
	require.NoError(t, err)
	require.Equal(t, 200, p.Status)
	require.True(t, p.HTML)
	require.Equal(t, []string{
		"http://h/dir/x.go", "http://h/up/", "http://h/x%20y", "http://other.example/", "http://h/dir/?q=1&r=2", "http://h/map",
	}, p.Links)
}

func TestLinksAreRelativeToTheFirstBase(t *testing.T) {
	for base, want := range map[string]string{
		`<base href="/b/">`:                         "http://h/b/x",
		`<base target=_top><base href="b/">`:        "http://h/dir/b/x",
		`<base href="http://o/b/"><base href="/c">`: "http://o/b/x",
		`<base href="javascript:x">`:                "http://h/dir/x",
		`<base href="http://%zz">`:                  "http://h/dir/x",
	} {
		p, err := fetched(t, trouble.HTML(`<a href="x">`+base))
		require.NoError(t, err)
		require.Equal(t, []string{want}, p.Links, base)
	}
}

func TestSiteDecidesWhichLinksAreFollowedAndWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		header, html     string
		follow, keepable bool
	}{
		{"", `<a href=x>`, true, true},
		{"", `<a rel="external NoFollow" href=x>`, false, true},
		{"", `<a rel=nofollower href=x>`, true, true},
		{"", `<meta name=robots content="nofollow"><a href=x>`, false, true},
		{"", `<a href=x><META NAME=Robots CONTENT="noindex, NOFOLLOW">`, false, false},
		{"", `<meta name=robots content=none><a href=x>`, false, false},
		{"", `<meta name=robots content="noindex,follow"><a href=x>`, true, false},
		{"", `<meta name=berth-crawler content=none><a href=x>`, false, false},
		{"", `<meta name=googlebot content=none><a href=x>`, true, true},
		{"", `<meta name=description content=none><a href=x>`, true, true},
		{"nofollow", `<a href=x>`, false, true},
		{"noindex, nofollow", `<a href=x>`, false, false},
		{"none", `<a href=x>`, false, false},
		{"googlebot: none", `<a href=x>`, true, true},
		{"Berth-Crawler: nofollow", `<a href=x>`, false, true},
		{"unavailable_after: 25 Jun 2010 15:00:00 PST, nofollow", `<a href=x>`, false, true},
	} {
		answer := trouble.HTML(c.html)
		if c.header != "" {
			answer = trouble.Header("X-Robots-Tag", c.header, answer)
		}
		p, err := fetched(t, answer)
		require.NoError(t, err)
		require.Equal(t, c.follow, len(p.Links) == 1, c)
		require.Equal(t, c.keepable, !p.NoIndex, c)
	}
}

func TestOnlyHeadersAreReadOfWhatIsNoHTML(t *testing.T) {
	for _, kind := range []string{"text/plain", "image/png", "application/pdf", "text/htmlx", "", "nonsense;;"} {
		sent := 0
		inWeb(t, trouble.Site{"/": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			for range 1 << 10 {
				n, err := w.Write(make([]byte, 1<<10))
				if sent += n; err != nil {
					return
				}
			}
		}}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
			p, err := f.Fetch(t.Context(), "http://h/")
			require.NoError(t, err, kind)
			require.Equal(t, Page{Status: 200}, p, kind)
			synctest.Wait()
			require.Less(t, sent, 64<<10, kind)
		})
	}
	p, err := fetched(t, trouble.Header("Content-Encoding", "br", trouble.HTML("<a href=x>")))
	require.NoError(t, err)
	require.Equal(t, Page{Status: 200}, p, "packed in a way that was not asked for")
	p, err = fetched(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(404)
		trouble.Page("/x")(w, r)
	})
	require.NoError(t, err)
	require.Equal(t, Page{Status: 404}, p, "nor of an error")
}

func TestSiteOfOnesOwnIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := trouble.NewWeb(map[string]trouble.Site{"h": {"/": trouble.File("text/plain", "<a href=x>")}})
		defer web.Start()()
		f := NewFetcher(Config{Agent: agent, Conns: 1, Dial: web.Dial, Whole: true})
		defer f.Close()
		p, err := f.Fetch(t.Context(), "http://h/")
		require.NoError(t, err)
		require.Equal(t, Page{Status: 200, Bytes: 10}, p)
	})
}

func TestDocumentsOfOtherEncodingsAreRead(t *testing.T) {
	var wide []byte
	for _, u := range utf16.Encode([]rune("\uFEFF<a href='/ä'>")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for kind, body := range map[string]string{
		"text/html":                         `<meta charset="iso-8859-1"><a href="/` + "\xe4" + `">`,
		"text/html; charset=iso-8859-1":     "<a href='/\xe4'>",
		"text/html; charset=utf-16le":       string(wide),
		"TEXT/HTML;charset=UTF-8":           "<a href='/ä'>",
		"text/html; charset=utf-8; charset": "<a href='/ä'>",
		"application/xhtml+xml":             "<a href='/ä'/>",
	} {
		p, err := fetched(t, trouble.File(kind, body))
		require.NoError(t, err, kind)
		require.Equal(t, []string{"http://h/%C3%A4"}, p.Links, kind)
	}
	p, err := fetched(t, trouble.HTML(""))
	require.NoError(t, err)
	require.Equal(t, Page{Status: 200, HTML: true}, p, "an empty page is one")
}

func TestRedirectIsAnAnswerThatNamesItsTarget(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		inWeb(t, trouble.Site{"/there": trouble.Redirect(status, "/%74here/#x")}, func(t *testing.T, web *trouble.Web, f *Fetcher) {
			p, err := f.Fetch(t.Context(), "http://h/there")
			require.NoError(t, err)
			require.Equal(t, Page{Status: status, Target: "http://h/there/"}, p)
			require.Len(t, web.Log("h"), 1, "not followed: that would be a request without a slot")
		})
	}
	p, err := fetched(t, trouble.Redirect(301, "ftp://h/"))
	require.NoError(t, err)
	require.Equal(t, Page{Status: 301}, p)
	p, err = fetched(t, trouble.Header("X-Robots-Tag", "nofollow", trouble.Redirect(301, "/x")))
	require.NoError(t, err)
	require.Equal(t, Page{Status: 301}, p, "not to be followed")
}

func TestSiteThatAsksToComeBackLaterIsAnErrorThatSaysWhen(t *testing.T) {
	for _, c := range []struct {
		status     int
		retryAfter string
		want       *LaterError
	}{
		{429, "2", &LaterError{After: 2 * time.Second, Named: true}},
		{503, "120", &LaterError{After: 2 * time.Minute, Named: true}},
		{503, "Sat, 01 Jan 2000 00:00:30 GMT", &LaterError{After: 30 * time.Second, Named: true}}, // a bubble begins at the year 2000
		{429, "", &LaterError{}},
		{429, "soon", &LaterError{}},
		{500, "5", &LaterError{After: 5 * time.Second, Named: true}},
		{403, "60", &LaterError{After: time.Minute, Named: true}},
		{429, "99999999999999999999", &LaterError{After: 9223372036 * time.Second, Named: true}},
		{403, "", nil},
		{500, "", nil},
		{404, "5", nil},
	} {
		p, err := fetched(t, trouble.Busy(c.status, c.retryAfter))
		if c.want == nil {
			require.NoError(t, err)
			require.Equal(t, c.status, p.Status)
			continue
		}
		c.want.URL, c.want.Status = "http://h/dir/", c.status
		var later *LaterError
		require.ErrorAs(t, err, &later)
		require.Equal(t, c.want, later)
	}
}

func TestBodyThatDoesNotEndIsNoPage(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"fast": trouble.Endless(0), "slow": trouble.Endless(time.Second), "packed": trouble.Bomb(4 * MaxBody),
		"announced": trouble.Header("Content-Length", "99999999999", trouble.HTML("")),
	} {
		inWeb(t, trouble.Site{"/": answer}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
			began := time.Now()
			p, err := f.Fetch(t.Context(), "http://h/")
			require.ErrorIs(t, err, ErrCutOff, name)
			require.ErrorContains(t, err, "http://h/", name)
			require.Zero(t, p, name)
			require.LessOrEqual(t, time.Since(began), MaxTime, name)
		})
	}
}

func TestLargestBodyIsAPage(t *testing.T) {
	p, err := fetched(t, trouble.HTML(strings.Repeat(" ", MaxBody)))
	require.NoError(t, err)
	require.EqualValues(t, MaxBody, p.Bytes)
	_, err = fetched(t, trouble.HTML(strings.Repeat(" ", MaxBody+1)))
	require.ErrorIs(t, err, ErrCutOff)
}

func TestSiteThatSaysNothingIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"silent": trouble.Silent, "slow": trouble.Slow(MaxTime+1, trouble.Page()), "broken": trouble.Broken, "short": trouble.Short,
	} {
		_, err := fetched(t, answer)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrCutOff, name)
	}
	inWeb(t, nil, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
		_, err := f.Fetch(t.Context(), "http://nowhere/")
		require.EqualError(t, err, "get http://nowhere/: lookup nowhere: no such host")
	})
}

func TestRequestIsMadeOnceAlsoWhenAKeptConnectionBreaks(t *testing.T) {
	inWeb(t, trouble.Site{"/": trouble.Page(), "/broken": trouble.Broken}, func(t *testing.T, web *trouble.Web, f *Fetcher) {
		for range 3 {
			_, err := f.Fetch(t.Context(), "http://h/")
			require.NoError(t, err)
			_, err = f.Fetch(t.Context(), "http://h/broken")
			require.Error(t, err)
		}
		require.Len(t, web.Log("h"), 6)
	})
}

func TestRequestHasNoBody(t *testing.T) {
	_, err := fetched(t, func(_ http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodGet, r.Method)
		require.Zero(t, r.ContentLength)
		require.Empty(t, r.TransferEncoding)
		require.Empty(t, r.Header["Content-Length"])
	})
	require.NoError(t, err)
}

func TestFetchEndsWithItsContext(t *testing.T) {
	inWeb(t, trouble.Site{"/": trouble.Silent}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := f.Fetch(ctx, "http://h/")
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestCrawlerSaysWhoItIs(t *testing.T) {
	inWeb(t, trouble.Site{}, func(t *testing.T, web *trouble.Web, f *Fetcher) {
		_, err := f.Fetch(t.Context(), "http://h/")
		require.NoError(t, err)
		_, err = f.Robots(t.Context(), "http://h/robots.txt")
		require.NoError(t, err)
		for _, r := range web.Log("h") {
			require.Equal(t, agent, r.Agent)
		}
	})
	require.Equal(t, "berth-crawler", Product(agent))
}

// Which answers to the request for a robots.txt forbid all for the time being,
// and which allow all.
func TestAnswersForRobotsTxt(t *testing.T) {
	const rules = "User-agent: *\nDisallow: /a\n"
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		text    string
		target  string
		unknown bool
	}{
		"there":               {answer: trouble.Text(rules), text: rules},
		"of any content type": {answer: trouble.HTML(rules), text: rules},
		"missing":             {answer: trouble.Status(404)},
		"forbidden":           {answer: trouble.Status(403)},
		"gone":                {answer: trouble.Status(410)},
		"too many requests":   {answer: trouble.Busy(429, "1"), unknown: true},
		"error":               {answer: trouble.Status(500), unknown: true},
		"unavailable":         {answer: trouble.Status(503), unknown: true},
		"silent":              {answer: trouble.Silent, unknown: true},
		"broken":              {answer: trouble.Broken, unknown: true},
		"short":               {answer: trouble.Short, unknown: true},
		"elsewhere":           {answer: trouble.Redirect(301, "http://www/robots.txt"), target: "http://www/robots.txt"},
		"nowhere":             {answer: trouble.Redirect(301, "about:blank"), unknown: true},
		"not modified":        {answer: trouble.Status(304), unknown: true},
	} {
		inWeb(t, trouble.Site{"/robots.txt": c.answer}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
			r, err := f.Robots(t.Context(), "http://h/robots.txt")
			require.Equal(t, c.unknown, err != nil, "%s: %v", name, err)
			require.Equal(t, c.text, string(r.Text), name)
			require.Equal(t, c.target, r.Target, name)
		})
	}
	inWeb(t, trouble.Site{"/robots.txt": trouble.Text(strings.Repeat("#\n", robots.MaxSize))}, func(t *testing.T, _ *trouble.Web, f *Fetcher) {
		r, err := f.Robots(t.Context(), "http://h/robots.txt")
		require.NoError(t, err)
		require.Len(t, r.Text, robots.MaxSize+1, "no more is read of a huge one")
	})
}
