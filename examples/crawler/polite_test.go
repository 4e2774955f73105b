package main

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/crawler/internal/link"
	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/trouble"
	"github.com/berth-go/berth/slot"
)

// The tests of this file read the logs of the sites, as their owners would.

// counted is how often each path stands in the log of a host.
func counted(web *trouble.Web, host string) map[string]int {
	times := map[string]int{}
	for _, path := range web.Paths(host) {
		times[path]++
	}
	return times
}

// once is the same for paths that were asked for once.
func once(paths ...string) map[string]int {
	times := map[string]int{"/robots.txt": 1}
	for _, path := range paths {
		times[path] = 1
	}
	return times
}

// mostAtOnce is how many requests of the logs were there at once.
func mostAtOnce(web *trouble.Web, hosts ...string) (most int) {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, host := range hosts {
		for _, r := range web.Log(host) {
			changes = append(changes, change{r.At, +1}, change{r.Until, -1})
		}
	}
	// At the same moment those that leave come first: the answer is what lets
	// the next one come.
	slices.SortFunc(changes, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by
	})
	now := 0
	for _, c := range changes {
		now += c.by
		most = max(most, now)
	}
	return most
}

// paged returns a site with a top page and n pages that it links to, each of
// which takes a while.
func paged(robots string, n int) trouble.Site {
	site := trouble.Site{"/robots.txt": trouble.Text(robots)}
	var targets []string
	for i := range n {
		p := fmt.Sprintf("/%d", i)
		site[p] = trouble.Slow(50*time.Millisecond, trouble.Page("/"))
		targets = append(targets, p)
	}
	site["/"] = trouble.Page(targets...)
	return site
}

// Every kind of trouble at once, and what is asked for is exactly what may be,
// once.
func TestSiteOwnerHasNothingToComplainOf(t *testing.T) {
	t.Parallel()
	site := trouble.Site{
		"/robots.txt": trouble.Text("\uFEFFnonsense\r\nUser-agent: *\r\nDisallow: /private\r\nDisallow: /*.secret$\r\nAllow: /private/but/this\r\nCrawl-delay: fast\r\n" +
			strings.Repeat("# a long story\r\n", 30_000) + "Disallow: /last\r\n"),
		"/": trouble.HTML(`
			<a href="/private/1"> <a href="/%70rivate/2"> <a href="/x/../private/3"> <a href="/x/%2e%2e/private/4"> <a href="//h/private/5">
			<a href="HTTP://H:80/%70rivate"> <a href="/private%2F6"> <a href="//private/7"> <a href="\private\8"> <a href="/./%2e/private">
			<a href="/a.secret"> <a href="/a%2Esecret"> <a href="/last"> <a href="/private/but/this">
			<a href="/a"> <a href="/%61"> <a href="/x/../a#f"> <a href="http://h:80/a?"> <a href="//H/a">
			<a href="/to/private"> <a href="/to/loop"> <a href="/to/elsewhere"> <a href="/to/chain/0"> <a href="/meta"> <a href="/header">
			<a href="/unwelcome" rel="nofollow"> <a href="/base"> <a href="/file"> <a href="/missing"> <a href="/error">
			<a href="http://elsewhere/"> <a href="https://h/"> <a href="mailto:a@h">`),
		"/a":                trouble.Page("/", "/b", "/a"),
		"/b":                trouble.Slow(9*time.Second, trouble.Page("/a")),
		"/private/but/this": trouble.Page("/private/9"),
		"/to/private":       trouble.Redirect(302, "/%70rivate/10"),
		"/to/loop":          trouble.Redirect(301, "/to/loop/2"),
		"/to/loop/2":        trouble.Redirect(307, "/to/loop"),
		"/to/elsewhere":     trouble.Redirect(301, "http://elsewhere/"),
		"/meta":             trouble.HTML(`<meta name=robots content="noindex, nofollow"><a href="/unwelcome">`),
		"/header":           trouble.Header("X-Robots-Tag", "none", trouble.Page("/unwelcome")),
		"/base":             trouble.HTML(`<base href="/private/"><a href="11"><a href="/c">`),
		"/c":                trouble.Page(),
		"/file":             trouble.File("application/zip", strings.Repeat("x", 1<<20)),
		"/error":            trouble.Status(500),
	}
	want := once("/", "/a", "/b", "/private/but/this", "/to/private", "/to/loop", "/to/loop/2", "/to/elsewhere", "/meta", "/header",
		"/base", "/c", "/file", "/missing", "/error")
	for i := range 20 {
		p := fmt.Sprintf("/to/chain/%d", i)
		site[p] = trouble.Redirect(302, fmt.Sprintf("/to/chain/%d", i+1))
		if i <= maxRedirects {
			want[p] = 1
		}
	}
	done := crawlWeb(t, map[string]trouble.Site{"h": site, "elsewhere": {"/": trouble.Page()}}, 0, "-url", "http://h/")
	require.NoError(t, done.err)
	require.Equal(t, want, counted(done.web, "h"))
	require.Empty(t, done.web.Log("elsewhere"), "another site")
	require.Equal(t, "/robots.txt", done.web.Paths("h")[0])
	for _, r := range done.web.Log("h") {
		require.Equal(t, "berth-crawler/0.1 (+https://github.com/berth-go/berth)", r.Agent)
		clean := path.Clean(link.Unescaped(r.Path))
		require.True(t, !strings.HasPrefix(clean, "/private") || clean == "/private/but/this", r.Path)
	}
	require.Equal(t, len(want)-1, done.counts.Fetched)
	require.Empty(t, done.faults())
	require.Equal(t, exitOK, done.status())
	require.Contains(t, done.String(), "2 pages ask not to be kept")
	require.Contains(t, done.String(), "ok: the page to start from was read, and no page was lost")
}

func TestRequestsAtOnceStayWithinTheLimits(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"a": paged("", 60), "b": paged("", 60), "c": paged("", 60)}, 0,
		"-url", "http://a/", "-url", "http://b/", "-url", "http://c/", "-slots", "7", "-per-host", "3")
	require.Equal(t, exitOK, done.status())
	require.Equal(t, 183, done.counts.Fetched)
	require.Equal(t, 7, mostAtOnce(done.web, "a", "b", "c"))
	for _, host := range []string{"a", "b", "c"} {
		require.Equal(t, 3, mostAtOnce(done.web, host))
	}
}

func TestCrawlDelayIsKeptBetweenAnAnswerAndTheNextRequest(t *testing.T) {
	t.Parallel()
	slow := paged("User-agent: *\nCrawl-delay: 7.5\n", 5)
	slow["/2"] = trouble.First(1, trouble.Busy(503, "1"), slow["/2"])
	done := crawlWeb(t, map[string]trouble.Site{"slow": slow, "quick": paged("", 40)}, 0, "-url", "http://slow/", "-url", "http://quick/")
	require.Equal(t, exitOK, done.status())
	log := done.web.Log("slow")
	require.Len(t, log, 8, "robots.txt, top, five pages, one of them twice")
	for i, r := range log[1:] {
		require.GreaterOrEqual(t, r.At.Sub(log[i].Until), 7500*time.Millisecond, r.Path)
	}
	quick := done.web.Log("quick")
	require.Len(t, quick, 42)
	require.Less(t, quick[41].At.Sub(quick[0].At), 2*time.Second, "it waits for nobody")
}

// mostIn is the most requests of the logs that began in less than a second.
func mostIn(log []trouble.Request) (most int) {
	slices.SortFunc(log, func(a, b trouble.Request) int { return a.At.Compare(b.At) })
	first := 0
	for last := range log {
		for log[last].At.Sub(log[first].At) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// Two crawls of three processes each, which share one server, have the rates together,
// and reach them.
func TestRatesAreReachedAndKeptAsTheSitesCountThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags          string
		inAll, onHost  int // at most, in any second
		atLeast, pages int // of those, in all, on average
	}{
		{"-rate 20", mostStarts(20), mostStarts(20), 18, 99},
		{"-host-rate 4", 3 * mostStarts(4), mostStarts(4), 10, 60},
		// A host's turn waits for that in all.
		{"-rate 5 -host-rate 4", mostStarts(5), mostStarts(4) + 4, 4, 30},
	} {
		synctest.Test(t, func(t *testing.T) {
			hosts := []string{"a", "b", "c"}
			sites := map[string]trouble.Site{}
			var flags []string
			for _, h := range hosts {
				sites[h] = paged("", c.pages/3)
				flags = append(flags, "-url", "http://"+h+"/")
			}
			o := startOutside(t, sites)
			var crawls sync.WaitGroup
			for range 2 {
				crawls.Go(func() { o.crawl(t, 0, append(strings.Fields(c.flags+" -for 2m"), flags...)...) })
			}
			crawls.Wait()
			var log []trouble.Request
			for _, h := range hosts {
				require.LessOrEqual(t, mostIn(o.web.Log(h)), c.onHost, "%s: %s", c.flags, h)
				log = append(log, o.web.Log(h)...)
			}
			require.LessOrEqual(t, mostIn(log), c.inAll, c.flags)
			require.Equal(t, 2*(c.pages+2*len(hosts)), len(log))
			took := log[len(log)-1].At.Sub(log[0].At).Seconds()
			require.GreaterOrEqual(t, float64(len(log))/took, float64(c.atLeast), c.flags)
		})
	}
}

// The host asks for longer than an engine pauses a key for anybody (a minute), so what the
// other processes know of it is what they are told.
func TestRetryAfterIsKeptForTheHostAndOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		busy := paged("", 30)
		for _, p := range []string{"/3", "/4", "/20"} {
			busy[p] = trouble.First(1, trouble.Slow(20*time.Millisecond, trouble.Busy(status, "70")), busy[p])
		}
		done := crawlWeb(t, map[string]trouble.Site{"busy": busy, "other": paged("", 50)}, 0, "-url", "http://busy/", "-url", "http://other/", "-max-wait", "5m")
		require.Equal(t, exitOK, done.status(), done)
		require.Equal(t, 82, done.counts.Fetched)
		refused := map[string]time.Time{} // when, by path
		for _, r := range done.web.Log("busy") {
			if first, again := refused[r.Path]; again {
				require.GreaterOrEqual(t, r.At.Sub(first), 70*time.Second, r.Path)
			} else if r.Path == "/3" || r.Path == "/4" || r.Path == "/20" {
				refused[r.Path] = r.Until
			}
		}
		require.Len(t, refused, 3)
		for p, at := range refused {
			for _, r := range done.web.Log("busy") {
				wait := r.At.Sub(at)
				require.False(t, 0 < wait && wait < 70*time.Second, "%s came %v after %s was put off", r.Path, wait, p)
			}
		}
		other := done.web.Log("other")
		require.Less(t, other[len(other)-1].Until.Sub(other[0].At), 5*time.Second)
	}
}

// Two crawls of three processes each, whose common server is all that they share.
func TestAHostThatAsksForItIsLeftAloneByAllCrawlersWithOneServer(t *testing.T) {
	t.Parallel()
	for retryAfter, want := range map[string]time.Duration{
		"30":  30 * time.Second,
		"200": slot.MaxPause, // the other crawler knows no more
	} {
		synctest.Test(t, func(t *testing.T) {
			busy := paged("", 60)
			put := trouble.Busy(429, retryAfter)
			busy["/25"] = trouble.First(1, trouble.Slow(20*time.Millisecond, put), busy["/25"])
			o := startOutside(t, map[string]trouble.Site{"busy": busy, "other": paged("", 40)})
			var crawls sync.WaitGroup
			var done [2]crawled
			for i := range done {
				crawls.Go(func() {
					done[i] = o.crawl(t, 0, "-url", "http://busy/", "-url", "http://other/", "-max-wait", "5m")
				})
			}
			crawls.Wait()
			var told time.Time
			for _, r := range o.web.Log("busy") {
				if r.Path == "/25" && told.IsZero() {
					told = r.Until
				}
			}
			log := o.web.Log("busy")
			require.Len(t, log, 2*62+1, "each crawl asks for all, and one for a page again")
			var after int
			for _, r := range log {
				if wait := r.At.Sub(told); wait > 0 {
					after++
					require.GreaterOrEqual(t, wait, want, "%s came too early", r.Path)
				}
			}
			require.Greater(t, after, 40)
			other := o.web.Log("other")
			require.Less(t, other[len(other)-1].Until.Sub(other[0].At), 10*time.Second, "it waits for nobody")
			pauses := append(done[0].pauses, done[1].pauses...)
			require.Len(t, pauses, 1)
			require.Contains(t, pauses[0], "busy was left alone for "+retryAfter+".0 s, once because http://busy/25 is answered 429 Too Many Requests")
			for _, d := range done {
				require.Equal(t, exitOK, d.status(), d)
				require.Equal(t, len(d.pauses) == 1, strings.Contains(d.String(), pauses[0]+"\n"))
			}
		})
	}
}

// One that is kept would serve the next page in a pause that another crawler asked for.
func TestEachPageOfARealSiteHasSlotsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := startOutside(t, map[string]trouble.Site{"h": paged("", 20)})
		for _, local := range []bool{false, true} {
			f, err := newFetching(pipe.Setup{
				Workers: 4, Window: 20, Server: "memory:1", Lease: lease, Slots: 8, PerHost: 2, MaxWait: time.Minute, Local: local,
			}, io.Discard, o.outside)
			require.NoError(t, err)
			for i := range 20 {
				f.submit(t.Context(), pipe.Command{URL: fmt.Sprintf("http://h/%d", i), Host: "h"})
			}
			f.waits.Wait()
			require.Equal(t, local, f.pool.Stats().Reused > 0)
			require.NoError(t, f.close(t.Context(), time.Minute))
		}
	})
}

func TestOneRequestGoesFirstWhenAPauseHasEnded(t *testing.T) {
	t.Parallel()
	site := paged("", 30)
	outage := trouble.Outage{For: 30 * time.Second}
	for p, answer := range site {
		if p != "/" && p != "/robots.txt" {
			site[p] = outage.Answer(trouble.Slow(10*time.Millisecond, trouble.Busy(429, "10")), answer)
		}
	}
	done := crawlWeb(t, map[string]trouble.Site{"h": site}, 0, "-url", "http://h/", "-procs", "1")
	require.Equal(t, exitOK, done.status(), done)
	var refused int
	for _, r := range done.web.Log("h") {
		if r.Until.Sub(r.At) == 10*time.Millisecond {
			refused++
		}
	}
	require.Equal(t, 4+2, refused, "those under way at first, and one for each time it was tried again")
}

func TestHostThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	const procs, perHost = 3, 4 // what is the default
	// Before each process was told, it may have as many requests under way as a
	// host may have at once; and one when a pause has ended.
	const atFirst, again = procs * perHost, procs * (maxRefusals - 1)
	// Failures are counted by the parent. These pages take equally long, so that all
	// that are there at once fail in the same moment, and as many are begun in their
	// place before the parent has heard of the last failure and all were told.
	const failing = (maxFailing+perHost-1)/perHost*perHost + perHost
	for name, c := range map[string]struct {
		answer   func() (site trouble.Site)
		requests int // at most, after robots.txt and the top page
		why      string
	}{
		"always too many": {func() trouble.Site { return all(paged("", 30), trouble.Busy(429, "5")) }, atFirst + again, "time in a row"},
		"for an hour":     {func() trouble.Site { return all(paged("", 30), trouble.Busy(503, "3600")) }, atFirst, "-max-wait"},
		"never when":      {func() trouble.Site { return all(paged("", 30), trouble.Busy(503, "")) }, atFirst + again, "time in a row"},
		"breaks":          {func() trouble.Site { return all(paged("", 30), trouble.Broken) }, atFirst + again, "time in a row"},
		"silent":          {func() trouble.Site { return all(paged("", 30), trouble.Silent) }, atFirst + again, "-max-wait"},
		"endless":         {func() trouble.Site { return all(paged("", 30), trouble.Endless(time.Second)) }, failing, fmt.Sprint(maxFailing, " pages in a row")},
	} {
		done := crawlWeb(t, map[string]trouble.Site{"bad": c.answer(), "good": paged("", 30)}, 0, "-url", "http://bad/", "-url", "http://good/")
		require.NoError(t, done.err, name)
		require.Equal(t, exitFailed, done.status(), name)
		require.Len(t, done.web.Log("good"), 32, name)
		require.LessOrEqual(t, len(done.web.Log("bad"))-2, c.requests, name)
		require.LessOrEqual(t, mostAtOnce(done.web, "bad"), perHost, name)
		require.Contains(t, done.String(), "http://bad was given up: ", name)
		require.Contains(t, done.given[0], c.why, name)
		require.Equal(t, 30, done.counts.Left+done.counts.Failed, name)
		require.Zero(t, done.lost, name)
		require.Less(t, done.took, 3*time.Minute, name)
	}
}

// all answers all pages of a site but the top one in one way.
func all(site trouble.Site, answer http.HandlerFunc) trouble.Site {
	for p := range site {
		if p != "/" && p != "/robots.txt" {
			site[p] = answer
		}
	}
	return site
}

func TestPageWithoutAWholeAnswerIsNoPageAndNotOK(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		times  int
	}{
		"endless": {trouble.Endless(time.Second), 1},
		"fast":    {trouble.Endless(0), 1},
		"bomb":    {trouble.Bomb(4 * page.MaxBody), 1},
		"broken":  {trouble.Broken, maxUnanswered},
		"short":   {trouble.Short, maxUnanswered},
		"silent":  {trouble.Silent, maxUnanswered},
		"busy":    {trouble.Busy(503, "1"), maxPutOff},
	} {
		site := paged("", 3)
		site["/1"] = c.answer
		done := crawlWeb(t, map[string]trouble.Site{"h": site}, 0, "-url", "http://h/", "-max-wait", "10m")
		want := once("/", "/0", "/1", "/2")
		want["/1"] = c.times
		require.Equal(t, want, counted(done.web, "h"), name)
		require.Equal(t, 3, done.counts.Fetched, name)
		require.Equal(t, 1, done.counts.Failed, name)
		require.Equal(t, []string{"1 pages could not be had"}, done.faults(), name)
		for _, r := range done.web.Log("h") {
			require.LessOrEqual(t, r.Until.Sub(r.At), page.MaxTime, name)
		}
	}
}

func TestRobotsTxtThatCannotBeHadNowForbidsAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		times  int
	}{
		"error":         {trouble.Status(500), maxPutOff},
		"unavailable":   {trouble.Busy(503, "2"), maxPutOff},
		"too many":      {trouble.Busy(429, "2"), maxPutOff},
		"for an hour":   {trouble.Busy(429, "3600"), 1},
		"broken":        {trouble.Broken, maxUnanswered},
		"silent":        {trouble.Silent, maxUnanswered},
		"without end":   {trouble.Redirect(302, "/robots.txt"), 1 + maxHops},
		"to an unknown": {trouble.Redirect(302, "http://nowhere/robots.txt"), 1},
	} {
		site := paged("", 3)
		site["/robots.txt"] = c.answer
		done := crawlWeb(t, map[string]trouble.Site{"h": site}, 0, "-url", "http://h/")
		require.NoError(t, done.err, name)
		require.Equal(t, map[string]int{"/robots.txt": c.times}, counted(done.web, "h"), name)
		require.ErrorContains(t, done.nothing(), "http://h/ was not read: ", name)
		require.ErrorContains(t, done.nothing(), "robots.txt", name)
		require.Equal(t, exitFailed, done.status(), name)
	}
}

func TestRobotsTxtThatComesLaterOrFromElsewhereIsObeyed(t *testing.T) {
	t.Parallel()
	rules := trouble.Text("User-agent: *\nDisallow: /1\n")
	for name, answer := range map[string]http.HandlerFunc{
		"after errors":   trouble.First(3, trouble.Status(502), rules),
		"after a wait":   trouble.First(1, trouble.Busy(429, "30"), rules),
		"after silence":  trouble.First(2, trouble.Silent, rules),
		"after redirect": trouble.Redirect(301, "http://www/1/robots.txt"),
	} {
		site, www := paged("", 3), trouble.Site{"/robots.txt": rules}
		site["/robots.txt"] = answer
		for i := 1; i < maxHops; i++ {
			www[fmt.Sprintf("/%d/robots.txt", i)] = trouble.Redirect(302, fmt.Sprintf("/%d/robots.txt", i+1))
		}
		www[fmt.Sprintf("/%d/robots.txt", maxHops)] = rules
		done := crawlWeb(t, map[string]trouble.Site{"h": site, "www": www}, 0, "-url", "http://h/")
		require.Equal(t, exitOK, done.status(), name)
		times := counted(done.web, "h")
		require.Zero(t, times["/1"], name)
		require.Equal(t, 1, times["/2"], name)
		require.Equal(t, 1, done.forbidden, name)
	}
}

func TestSiteWithoutRobotsTxtAllowsAll(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 410} {
		site := paged("", 3)
		site["/robots.txt"] = trouble.Status(status)
		done := crawlWeb(t, map[string]trouble.Site{"h": site}, 0, "-url", "http://h/")
		require.Equal(t, exitOK, done.status(), status)
		require.Equal(t, once("/", "/0", "/1", "/2"), counted(done.web, "h"), status)
	}
}

func TestHostThatDoesNotResolveIsReportedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"h": paged("", 3)}, 0, "-url", "http://h/", "-url", "http://nowhere/")
	require.Equal(t, exitFailed, done.status())
	require.Equal(t, once("/", "/0", "/1", "/2"), counted(done.web, "h"))
	require.Contains(t, done.String(), "FAILED: the start page http://nowhere/ was not read: ")
	require.Contains(t, done.String(), "no such host")
	require.NotContains(t, done.String(), "ok:")
}

func TestStartPageCountsAsReadOnlyIfItWas(t *testing.T) {
	t.Parallel()
	const robots = "User-agent: *\nDisallow: /private\n"
	for name, c := range map[string]struct {
		start http.HandlerFunc
		fault string // none: it was read
	}{
		"read":             {trouble.Page(), ""},
		"moved":            {trouble.Redirect(301, "/0"), ""},
		"in a circle":      {trouble.Redirect(301, "/circle"), "lead nowhere"},
		"forbidden":        {trouble.Redirect(301, "/%70rivate"), "robots.txt forbids"},
		"elsewhere":        {trouble.Redirect(301, "https://h/"), "redirects to https://h/, which is another site"},
		"missing":          {trouble.Status(404), "answered 404"},
		"error":            {trouble.Status(500), "answered 500"},
		"no HTML":          {trouble.Text("hello"), "no HTML"},
		"endless":          {trouble.Endless(time.Second), "does not end"},
		"broken":           {trouble.Broken, "EOF"},
		"busy for an hour": {trouble.Busy(503, "3600"), "-max-wait"},
		"far, far away":    {trouble.Redirect(301, "/far/0"), "lead nowhere"},
	} {
		site := paged(robots, 3)
		site["/"] = c.start
		site["/circle"] = trouble.Redirect(301, "/")
		for i := range 20 {
			site[fmt.Sprintf("/far/%d", i)] = trouble.Redirect(301, fmt.Sprintf("/far/%d", i+1))
		}
		done := crawlWeb(t, map[string]trouble.Site{"h": site}, 0, "-url", "http://h/")
		require.NoError(t, done.err, name)
		if c.fault == "" {
			require.Empty(t, done.faults(), name)
			require.Equal(t, exitOK, done.status(), name)
			continue
		}
		require.Equal(t, exitFailed, done.status(), name)
		require.Len(t, done.unread, 1, name)
		require.Contains(t, done.unread[0], "http://h/ was not read: ", name)
		require.Contains(t, done.unread[0], c.fault, name)
		require.NotContains(t, done.String(), "ok:", name)
	}
}

func TestHostThatIsTooSlowIsLeftAfterItsStartPage(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"slow": paged("User-agent: *\nCrawl-delay: 600\n", 5)}, 0, "-url", "http://slow/", "-max-wait", "9m")
	require.Equal(t, once("/"), counted(done.web, "slow"))
	require.Less(t, done.took, time.Second, "it waits for nothing")
	require.Equal(t, exitFailed, done.status())
	require.Equal(t, 5, done.counts.Left)
	require.Contains(t, done.String(), "asks for 10m0s between two requests, longer than -max-wait 9m0s allows")
	require.Contains(t, done.String(), "FAILED: 5 pages were left")
}

func TestHostThatIsTooSlowIsNotWaitedForWhenItsStartPageIsPutOff(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{"busy": trouble.Busy(503, "1"), "broken": trouble.Broken} {
		site := paged("User-agent: *\nCrawl-delay: 600\n", 5)
		site["/"] = answer
		done := crawlWeb(t, map[string]trouble.Site{"slow": site}, 0, "-url", "http://slow/")
		require.Equal(t, once("/"), counted(done.web, "slow"), name)
		require.Less(t, done.took, time.Second, name)
		require.ErrorContains(t, done.nothing(), "-max-wait", name)
	}
}

func TestCrawlEndsWhenItsTimeIsUpAndCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"slow": paged("User-agent: *\nCrawl-delay: 60\n", 50)}, 0, "-url", "http://slow/", "-for", "150s")
	require.Len(t, done.web.Log("slow"), 3)
	require.Less(t, done.took, 151*time.Second)
	require.Equal(t, exitFailed, done.status())
	require.Contains(t, done.String(), "FAILED: 49 pages were left when -for 2m30s had passed")
}

func TestInterruptedCrawlFinishesThePagesThatAreBeingFetched(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"h": paged("", 30)}, 75*time.Millisecond, "-url", "http://h/")
	require.NoError(t, done.err)
	require.Equal(t, exitInterrupted, done.status())
	require.Equal(t, 1+2*4, done.counts.Fetched, "the top page, four, and those begun when they ended")
	require.Contains(t, done.String(), " 0 left unfinished\n")
	for _, r := range done.web.Log("h")[2:] {
		require.Equal(t, 50*time.Millisecond, r.Until.Sub(r.At), "it has had its answer")
	}
}

// Whatever the crawl is doing, Ctrl-C ends it within a second.
func TestInterruptedCrawlEndsWithinASecond(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]trouble.Site{
		"fetching":         all(paged("", 30), trouble.Silent),
		"reading":          all(paged("", 30), trouble.Endless(100*time.Millisecond)),
		"waiting its turn": paged("User-agent: *\nCrawl-delay: 60\n", 5),
		"put off":          all(paged("", 30), trouble.Busy(429, "50")),
		"without rules":    {"/robots.txt": trouble.Silent},
		"no rules yet":     {"/robots.txt": trouble.Busy(503, "50")},
	} {
		for _, flags := range [][]string{nil, {"-host-rate", "1"}, {"-rate", "1"}} {
			done := crawlWeb(t, map[string]trouble.Site{"h": site}, 3*time.Second, append(flags, "-url", "http://h/")...)
			require.NoError(t, done.err, name)
			require.Less(t, done.took, 4*time.Second, "%s %v", name, flags)
			require.Zero(t, done.kills, "%s %v: each gave its slots back", name, flags)
			require.Equal(t, exitInterrupted, done.status(), name)
			require.Contains(t, done.String(), "interrupted before all was done", name)
			require.NotContains(t, done.String(), "ok:", name)
		}
	}
}

func TestWorkThatADeadWorkerHadIsDoneByOthers(t *testing.T) {
	t.Parallel()
	done := crawlWeb(t, map[string]trouble.Site{"h": paged("", 60)}, 0, "-url", "http://h/", "-kill", "-pages", "60")
	require.NoError(t, done.err)
	require.Equal(t, exitOK, done.status(), done)
	require.EqualValues(t, 1, done.kills)
	require.Equal(t, 60, done.counts.Fetched)
	require.LessOrEqual(t, mostAtOnce(done.web, "h"), 4)
}
