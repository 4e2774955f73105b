package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/examples/internal/enginetest"
	"github.com/berth-go/berth/examples/internal/programtest"
	"github.com/berth-go/berth/slot"
)

// number returns the number that follows the pattern's only group in text.
func number(t *testing.T, text, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.Len(t, found, 2, pattern)
	n, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	require.NoError(t, err)
	return n
}

const (
	pagesFetched = `all +([\d,]+) `
	peakInAll    = `at most (\d+) in all`
	peakOnHost   = `at most (\d+) on one host`
)

func TestCrawlReachesItsLimitsAndNeverPassesThem(t *testing.T) {
	r, status := built.Run(t, "-pages", "600")
	require.Equal(t, exitOK, status)
	require.Equal(t, 600, number(t, r.Out, pagesFetched))
	require.Equal(t, 12, number(t, r.Out, peakInAll))
	require.Equal(t, 4, number(t, r.Out, peakOnHost))
	require.Contains(t, r.Out, "0 lost\n")
	require.Empty(t, r.Err)
}

func TestCrawlSurvivesTheDeathOfAWorkerOnEachEngine(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Dflockd, engine.Etcd, engine.Redis} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // it mostly waits
			enginetest.Need(t, kind)
			r, status := built.Run(t, "-kill", "-pages", "600", "-engine", string(kind))
			require.Equal(t, exitOK, status)
			require.Equal(t, 600, number(t, r.Out, pagesFetched))
			require.LessOrEqual(t, number(t, r.Out, peakInAll), 12)
			require.LessOrEqual(t, number(t, r.Out, peakOnHost), 4)
			require.Contains(t, r.Out, "worker 2 is dead (signal: killed)")
			left := number(t, r.Out, `got the (\d+) URLs that it had not finished`)
			require.Positive(t, left)
			require.Equal(t, left, number(t, r.Out, `fetched again: (\d+)`))
			require.Contains(t, r.Out, "0 lost\n")
			require.Contains(t, r.Out, "from "+string(kind)+", started ")
		})
	}
}

func TestCrawlWithoutSlotsIsCaught(t *testing.T) {
	r, status := built.Run(t, "-unlimited", "-pages", "600")
	require.Equal(t, exitFailed, status)
	require.Greater(t, number(t, r.Out, peakInAll), 12)
	require.Contains(t, r.Out, "FAILED: the limit in all was passed")
	require.Contains(t, r.Out, "FAILED: the limit per host was passed")
	require.NotContains(t, r.Out, "ok:")
}

func TestRatesHoldOverAllProcessesOnEachEngine(t *testing.T) {
	const inAll, onHost = `begun in any second: at most (\d+) in all`, `begun in any second on a host: at most (\d+)`
	// The site counts arrivals. One that comes late is one too many: a low rate leaves a
	// busy machine room for that, half of the time between two starts.
	for _, kind := range []engine.Kind{engine.Dflockd, engine.Etcd, engine.Redis} {
		for _, c := range []struct {
			pages, flag, seen string
		}{
			{"8", "-rate", inAll},
			{"60", "-host-rate", onHost},
		} {
			t.Run(string(kind)+c.flag, func(t *testing.T) {
				t.Parallel() // it mostly waits
				enginetest.Need(t, kind)
				r, status := built.Run(t, c.flag, "2", "-pages", c.pages, "-engine", string(kind))
				require.Equal(t, exitOK, status)
				require.Equal(t, c.pages, strconv.Itoa(number(t, r.Out, pagesFetched)))
				require.LessOrEqual(t, number(t, r.Out, c.seen), mostStarts(2))
				require.Positive(t, number(t, r.Out, c.seen))
			})
		}
	}
}

func TestBadInputEndsWithOneLine(t *testing.T) {
	for _, args := range []string{"-pages 0", "-frobnicate", "-server nowhere", "-url nothing", "extra"} {
		r, status := built.Run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, status, args)
		require.Equal(t, 1, strings.Count(r.Err, "\n"), args)
		require.True(t, strings.HasPrefix(r.Err, "crawler: "), args)
		require.Empty(t, r.Out, args)
	}
}

func TestHelpIsNoError(t *testing.T) {
	r, status := built.Run(t, "-h")
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "Usage: crawler")
	require.Empty(t, r.Err)
}

// unused is an address where nobody listens: no program is given its port who asks
// for any.
const unused = "127.0.0.1:1"

func TestMissingServerIsNamedWithTheWayToStartOne(t *testing.T) {
	r, status := built.Run(t, "-server", unused)
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Err, unused)
	require.Contains(t, r.Err, "--port 1")
	require.Equal(t, 1, strings.Count(r.Err, "\n"))
}

// A server that takes connections and says nothing must not keep anybody
// waiting either: the test's own deadline would be the one to end this.
func TestSilentServerIsNotWaitedFor(t *testing.T) {
	t.Parallel() // it mostly waits
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r, status := built.Run(t, "-server", l.Addr().String())
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Err, l.Addr().String())
}

// startServer starts a strict dflockd server and returns its address.
func startServer(t *testing.T) string {
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"), server.WithAutoRelease(false))
	require.NoError(t, err)
	t.Cleanup(func() { srv.Shutdown(t.Context()) })
	return srv.Addr().String()
}

func TestCrawlersWithOneServerShareItsLimits(t *testing.T) {
	address := startServer(t)
	var runs []*programtest.Run
	for range 2 {
		runs = append(runs, built.Start(t, "-pages", "200", "-procs", "2", "-server", address))
	}
	for _, r := range runs {
		require.Equal(t, exitOK, r.Wait())
		require.Equal(t, 200, number(t, r.Out, pagesFetched))
		require.LessOrEqual(t, number(t, r.Out, peakInAll), 12)
	}
}

// Somebody else holds a slot in all with a limit of 5: the crawl has the others of
// those, whatever its own limit.
func TestACrawlKeepsTheSmallerLimitOfSomebodyElse(t *testing.T) {
	address := startServer(t)
	src, err := dflockd.NewSource(inAll(5), dflockd.WithServers(address))
	require.NoError(t, err)
	defer src.Close(t.Context())
	held, ok, err := slot.Try(t.Context(), src, "")
	require.NoError(t, err)
	require.True(t, ok)
	defer held.Release()

	r, status := built.Run(t, "-pages", "200", "-server", address)
	require.Equal(t, exitOK, status)
	require.Equal(t, 200, number(t, r.Out, pagesFetched))
	require.LessOrEqual(t, number(t, r.Out, peakInAll), 4)
}

// atWork waits until the run has printed that it is under way.
func atWork(t *testing.T, r *programtest.Run) {
	require.Eventually(t, func() bool { return strings.Contains(r.Printed(), " pages:") }, time.Minute, 20*time.Millisecond)
}

func TestEachWorkerProcessShowsItsPool(t *testing.T) {
	r := built.Start(t, "-http", ":0")
	var all string
	for _, state := range r.Boards(3) {
		all += state
	}
	for n := 1; n <= 3; n++ {
		require.Contains(t, all, fmt.Sprintf(`"name":"worker %d","size":32,`, n))
	}
	r.SignalAll(syscall.SIGINT)
	require.Equal(t, exitInterrupted, r.Wait())
}

func TestInterruptEndsTheCrawlWithAReport(t *testing.T) {
	r := built.Start(t)
	atWork(t, r)
	r.SignalAll(syscall.SIGINT) // as a terminal does: to the workers as well
	require.Equal(t, exitInterrupted, r.Wait())
	require.Contains(t, r.Out, "interrupted: waiting")
	require.NotContains(t, r.Out, "is dead", "the workers must ignore it")
	require.Contains(t, r.Out, " left unfinished\n")
	require.False(t, r.Alive())
}

// The terminal interrupts the workers, too. What they have is theirs to finish, for
// as long as the parent lets them.
func TestWorkerProcessGoesOnAfterAnInterrupt(t *testing.T) {
	arrived, answer := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- true; <-answer }))
	defer s.Close()
	w := built.Command(workerArgument)
	stdin, err := w.StdinPipe()
	require.NoError(t, err)
	stdout, err := w.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.Start())
	say, hear := pipe.NewWriter[pipe.Command](stdin), pipe.NewReader[pipe.Result](stdout)
	require.NoError(t, say.Write(pipe.Command{Setup: &pipe.Setup{Worker: 1, Workers: 1, Window: 1, MaxWait: time.Minute}}))
	require.NoError(t, say.Write(pipe.Command{URL: s.URL + "/", Host: "h"}))
	<-arrived
	require.NoError(t, w.Process.Signal(syscall.SIGINT))
	close(answer)
	r, err := hear.Read()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.Status, r.Err)
	require.NoError(t, say.Write(pipe.Command{Drain: true, Within: time.Minute}))
	require.NoError(t, w.Wait())
}

func TestWorkersEndWhenTheParentDies(t *testing.T) {
	t.Parallel() // it mostly waits
	r := built.Start(t)
	atWork(t, r)
	r.Signal(syscall.SIGKILL)
	require.Equal(t, -1, r.Wait())
	require.Eventually(t, func() bool { return !r.Alive() }, hangUpTime+time.Minute, 20*time.Millisecond)
}

// realSite serves pages that link to each other, to another site, and to what
// robots.txt forbids. It returns its address and what it was asked for.
func realSite(t *testing.T) (address string, asked func() []string) {
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		if r.URL.Path == "/robots.txt" {
			w.Write([]byte("User-agent: *\nDisallow: /private\n"))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<a href="/one">1</a><a href="/two/">2</a><a href="/private/three">3</a><a href="http://localhost:1/four">4</a>`))
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return paths
	}
}

func TestRealSiteIsCrawledAsItsRobotsAllow(t *testing.T) {
	t.Parallel() // it mostly waits
	address, asked := realSite(t)
	r, status := built.Run(t, "-url", address)
	require.Equal(t, exitOK, status)
	require.Equal(t, 3, number(t, r.Out, pagesFetched), "all there are")
	require.ElementsMatch(t, []string{"/robots.txt", "/", "/one", "/two/"}, asked())
	require.Contains(t, r.Out, " 0 without an answer", "of another site nothing was asked")
}

func TestRealSiteSetsItsPace(t *testing.T) {
	t.Parallel() // it mostly waits
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			w.Write([]byte("User-agent: *\nCrawl-delay: 1\n"))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("nothing here"))
	}))
	defer s.Close()
	r, status := built.Run(t, "-url", s.URL)
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, s.URL+" asks for 1s between two requests")
}

func TestForbiddenStartIsRefused(t *testing.T) {
	address, asked := realSite(t)
	r, status := built.Run(t, "-url", address+"/private/")
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Err, "robots.txt")
	require.Equal(t, []string{"/robots.txt"}, asked())
}

// Retry-After over real sockets and processes: before a process was told, it may
// have as many requests under way as a host may have at once, and no more.
func TestRealSiteThatAsksToComeBackLaterIsLeftAlone(t *testing.T) {
	t.Parallel() // it mostly waits
	const pages, perHost, procs = 40, 4, 3
	var mu sync.Mutex
	var until time.Time
	refused, served := 0, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if served++; served == 10 {
			until = time.Now().Add(time.Second)
		}
		if time.Now().Before(until) {
			refused++
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/" {
			for i := range pages - 1 {
				fmt.Fprintf(w, "<a href=/%d>", i)
			}
		}
	}))
	defer s.Close()
	r, status := built.Run(t, "-url", s.URL)
	require.Equal(t, exitOK, status)
	require.Equal(t, pages, number(t, r.Out, pagesFetched))
	require.Positive(t, refused)
	require.LessOrEqual(t, refused, procs*perHost)
}

func TestSiteThatAnswersNothingAtAllIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel() // it mostly waits
	r, status := built.Run(t, "-url", "http://"+unused)
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Err, "crawler: http://"+unused+"/ was not read: ")
	require.Contains(t, r.Err, "connection refused")
	require.Equal(t, 1, strings.Count(r.Err, "\n"))
	require.NotContains(t, r.Out, "ok:")
}
