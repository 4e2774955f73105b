package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

var update = flag.Bool("update", false, "write testdata/state.json anew")

func TestHandlerSaysWhatIsWrongWithAPool(t *testing.T) {
	p, err := pool.New(1)
	require.NoError(t, err)
	defer p.Shutdown(t.Context())
	rec, other, unused := newRecorder(t), newRecorder(t), newRecorder(t)
	rec.Hooks()
	other.Hooks()
	for want, pools := range map[string][]Pool{
		"dashboard: Handler: there is no pool to show":  nil,
		"dashboard: Handler: pool 1 has no name":        {{Pool: p, Recorder: rec}},
		`dashboard: Handler: pool "a": the pool is nil`: {{Name: "a", Recorder: rec}},
		`dashboard: Handler: pool "a": the recorder is nil: make one with NewRecorder, and the pool with pool.WithHooks(recorder.Hooks())`: {{Name: "a", Pool: p}},
		`dashboard: Handler: pool "a": no pool has the hooks of its recorder: make the pool with pool.WithHooks(recorder.Hooks())`:         {{Name: "a", Pool: p, Recorder: unused}},
		`dashboard: Handler: two pools have the name "a"`:                                      {{Name: "a", Pool: p, Recorder: rec}, {Name: "a", Pool: p, Recorder: other}},
		`dashboard: Handler: the pools "a" and "b" have the same Recorder: each needs its own`: {{Name: "a", Pool: p, Recorder: rec}, {Name: "b", Pool: p, Recorder: rec}},
	} {
		_, err := Handler(pools...)
		require.EqualError(t, err, want)
	}
	_, err = Handler(Pool{Name: "a", Pool: p, Recorder: rec}, Pool{Name: "b", Pool: p, Recorder: other})
	require.NoError(t, err)
}

func newRecorder(t *testing.T) *Recorder {
	rec, err := NewRecorder()
	require.NoError(t, err)
	return rec
}

func ask(h http.Handler, method, path string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(text)
}

func TestEachAnswerHasAPolicyThatAllowsOwnFilesOnly(t *testing.T) {
	b := newBench(t, 1, nil)
	kinds := map[string]string{
		"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/icon.svg": "image/svg+xml", "/state.json": "application/json", "/state.json?top=x": "text/plain; charset=utf-8",
		"/other": "text/plain; charset=utf-8",
	}
	for path, kind := range kinds {
		got := ask(b.page, http.MethodGet, path).Header
		require.Equal(t, kind, got.Get("Content-Type"), path)
		require.Equal(t, "nosniff", got.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", got.Get("Referrer-Policy"), path)
		require.Equal(t, "same-origin", got.Get("Cross-Origin-Resource-Policy"), path)
		require.Equal(t, "no-store", got.Get("Cache-Control"), path)
		policy := got.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'",
			"form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
		} {
			require.Contains(t, strings.Split(policy, "; "), part, path)
		}
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "http")
	}
}

func TestTheDashboardAnswersGETAndHEADAndOnlyReads(t *testing.T) {
	b := newBench(t, 1, nil)
	for _, path := range []string{"/", "/app.js", "/style.css", "/icon.svg", "/state.json"} {
		full := ask(b.page, http.MethodGet, path)
		require.Equal(t, http.StatusOK, full.StatusCode, path)
		require.NotEmpty(t, body(t, full), path)
		head := ask(b.page, http.MethodHead, path)
		require.Equal(t, http.StatusOK, head.StatusCode, path)
		require.Empty(t, body(t, head), path)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			refused := ask(b.page, method, path)
			require.Equal(t, http.StatusMethodNotAllowed, refused.StatusCode, "%s %s", method, path)
			require.Equal(t, "GET, HEAD", refused.Header.Get("Allow"))
		}
	}
	require.Equal(t, http.StatusOK, ask(http.StripPrefix("/pool", b.page), http.MethodGet, "/pool/state.json").StatusCode)
	missing := ask(b.page, http.MethodGet, "/pool/")
	require.Equal(t, http.StatusNotFound, missing.StatusCode)
	require.Contains(t, body(t, missing), "http.StripPrefix")
	for _, path := range []string{"/page/index.html", "/index.html", "//", "/..", "/app.js/"} {
		require.Equal(t, http.StatusNotFound, ask(b.page, http.MethodGet, path).StatusCode, path)
	}
}

func TestAQuestionThatMakesNoSenseIsRefusedWithASentence(t *testing.T) {
	b := newBench(t, 1, nil)
	for query, want := range map[string]string{
		"pool=other":                     `pool="other": there is no such pool`,
		"sort=size":                      `sort="size": want wait, queued, running, slots or key`,
		"top=0":                          `top="0": want a number from 1 to 200`,
		"top=201":                        `top="201": want a number from 1 to 200`,
		"top=":                           `top="": want a number from 1 to 200`,
		"q=" + strings.Repeat("k", 1000): `q: want 256 bytes at most`,
	} {
		got := ask(b.page, http.MethodGet, "/state.json?"+query)
		require.Equal(t, http.StatusBadRequest, got.StatusCode, query)
		require.Equal(t, want, strings.TrimSpace(body(t, got)))
	}
}

// The answer is always the same, as the time is simulated.
func TestTheJSONIsAsItWas(t *testing.T) {
	var got []byte
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		retry := middleware.Retry(middleware.MaxAttempts(2, middleware.Constant(time.Second)))
		b := newBench(t, 2, []Option{WithHistory(time.Minute)}, pool.WithSlots(src), pool.Use(retry))
		b.Submit(sleeps(3*time.Second), pool.Key("lost"), pool.Name("report"))
		synctest.Wait()
		src.Expire("lost")
		b.Submit(times(after(time.Second, errTest), nothing), pool.Key("flaky"))
		time.Sleep(4 * time.Second)
		b.Submit(sleeps(time.Hour), pool.Key("shop"), pool.Name("order 1"))
		synctest.Wait()
		b.Submit(nothing, pool.Key("shop"), pool.Name("order 2"))
		b.Submit(nothing, pool.Key("shop"), pool.Name("order 3"))
		b.Submit(nothing, pool.Key("later"), pool.After(time.Hour))
		time.Sleep(2 * time.Second)
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, []byte(body(t, ask(b.page, http.MethodGet, "/state.json"))), "", "  "))
		got = pretty.Bytes()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = b.Shutdown(ctx)
		require.NoError(t, src.Close(context.Background()))
	})
	if *update {
		require.NoError(t, os.WriteFile("testdata/state.json", got, 0o644))
	}
	want, err := os.ReadFile("testdata/state.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "if that is meant, run the test with -update")
}

func TestLanesComeInTheOrderThatIsAskedForAndFewOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3, nil)
		for _, key := range []string{"a", "b", "b"} {
			b.Submit(sleeps(time.Hour), pool.Key(key))
		}
		synctest.Wait()
		for i, n := range []int{1, 2, 4, 3} {
			for range n {
				b.Submit(nothing, pool.Key([]string{"z", "b", "X", "y"}[i]))
			}
			time.Sleep(time.Second)
		}
		for query, want := range map[string]string{
			"":                  "z b X y a",
			"?sort=queued":      "X y b z a",
			"?sort=running":     "b a X y z",
			"?sort=key":         "X a b y z",
			"?sort=key&top=2":   "X a",
			"?q=x":              "X",
			"?sort=slots&q=%20": "",
		} {
			var keys []string
			lanes := b.state(t, query).Lanes
			for _, row := range lanes.Rows {
				keys = append(keys, row.Key)
			}
			require.Equal(t, want, strings.Join(keys, " "), query)
			require.Equal(t, 5, lanes.Total)
		}
		require.Equal(t, 1, b.state(t, "?q=x").Lanes.Matching)
		require.Equal(t, waits{Worker: 10}, b.state(t, "?q=x").Waits, "of all lanes, whatever is looked for")
	})
}

// However many lanes there are, an answer has few of them, and the totals of all.
func TestAnAnswerAboutTenThousandLanesIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 10_000
		b := newBench(t, 1, nil)
		b.Submit(sleeps(time.Hour))
		for i := range many {
			b.Submit(nothing, pool.Key(fmt.Sprintf("key %05d", i)))
		}
		synctest.Wait()
		answer := body(t, ask(b.page, http.MethodGet, "/state.json?sort=key&q=key+0999&top=5"))
		require.Less(t, len(answer), 10_000)
		lanes := b.state(t, "?sort=key&q=key+0999&top=5").Lanes
		require.Equal(t, many+1, lanes.Total)
		require.Equal(t, 10, lanes.Matching)
		require.Len(t, lanes.Rows, 5)
		require.Equal(t, "key 09990", lanes.Rows[0].Key)
		require.Equal(t, many, b.state(t, "").Waits.Worker)
		require.Len(t, b.state(t, "").Oldest, mostOldest)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = b.Shutdown(ctx)
	})
}

const hostile = "</script><script>alert(1)</script>'\"&\x00\xff\u2028"

func TestHostileTextsStayTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		require.Error(t, b.Submit(after(0, fmt.Errorf("%s", hostile)), pool.Key(hostile), pool.Name(hostile)).Wait(t.Context()))
		b.Submit(sleeps(time.Hour), pool.Key(strings.Repeat("é", 1000)))
		synctest.Wait()
		for _, path := range []string{"/state.json", "/state.json?q=" + url.QueryEscape("<script>")} {
			got := ask(b.page, http.MethodGet, path)
			text := body(t, got)
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			require.NotContains(t, text, "<")
			require.True(t, json.Valid([]byte(text)))
		}
		s := b.state(t, "")
		require.Equal(t, strings.ToValidUTF8(hostile, "\ufffd"), s.Failures[0].Error)
		require.Len(t, s.Runs[0].Key, longestText+len("…"), "a long text is cut, between two letters")
		refused := ask(b.page, http.MethodGet, "/state.json?pool="+url.QueryEscape("<script>"))
		require.Equal(t, "text/plain; charset=utf-8", refused.Header.Get("Content-Type"))
	})
}

// The page makes elements and texts, and never markup; its policy refuses the rest.
func TestThePageHasNoMarkupOfTextsNoInlineScriptAndNothingFromElsewhere(t *testing.T) {
	for _, file := range contents {
		text, err := files.ReadFile(file.file)
		require.NoError(t, err)
		require.Empty(t, smuggled(string(text)), file.file)
	}
	for _, bad := range []string{
		`e.innerHTML = key`, `e.outerHTML = key`, `e.insertAdjacentHTML("x", key)`, `document.write(key)`, `eval(key)`,
		`new Function(key)`, `setTimeout("x()")`, `<p onclick="x()">`, `<p style="x">`, `<script>x()</script>`, `<style>x</style>`,
		`<script src="https://cdn.example/x.js">`, `@import "//cdn.example/x.css"`, `url(x.png)`, `a.href = "javascript:x()"`, `.setAttribute("style", key)`,
	} {
		require.NotEmpty(t, smuggled(bad), bad)
	}
}

var notAllowed = regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|parseFromString|` +
	`\beval\(|new Function|setTimeout\(["']|\son\w+=|\sstyle=|"style"|<script>|<style|javascript:|@import|url\(|["'(]//|https?://[a-z]*`)

// smuggled returns what a file of the page must not have.
func smuggled(text string) (all []string) {
	for _, found := range notAllowed.FindAllString(text, -1) {
		if found != "http://www" { // the name of SVG's namespace
			all = append(all, found)
		}
	}
	return all
}

// Everything at once, for the race detector.
func TestManyMayLookWhileThePoolRuns(t *testing.T) {
	src := slot.NewLocalKeyed(2)
	defer src.Close(context.Background())
	b := newBench(t, 4, nil, pool.WithSlots(src), pool.WithQueue(1000), pool.WithQueueTotal(10_000))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 100 {
				job := times(after(0, pool.RetryAfter(time.Microsecond, errTest)), nothing)
				task := b.Submit(job, pool.Key(fmt.Sprint("key", (i+g)%7)), pool.Name("n"), pool.Priority(i%3))
				if i%10 == 0 {
					task.Cancel()
				}
			}
		})
		all.Go(func() {
			for _, sort := range []string{"wait", "queued", "running", "slots", "key"} {
				b.state(t, "?sort="+sort)
			}
		})
	}
	all.Wait()
	require.NoError(t, b.Wait(t.Context()))
	s := b.state(t, "")
	require.EqualValues(t, 400, total(s.History.Done))
	require.Zero(t, s.Running+s.Waiting)
}
