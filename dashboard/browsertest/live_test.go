//go:build linux && !race && !386

package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// A live is a pool that runs, and its page on a server of its own, at address.
type live struct {
	*pool.Pool
	src     *slottest.Breakable
	address string
	down    atomic.Bool // the server answers with an error
}

// serve starts a pool and a server that has its page below /pool/.
func serve(t *testing.T, workers int, more ...dashboard.Pool) *live {
	t.Helper()
	browser(t) // or the rest is in vain
	l := &live{src: slottest.NewBreakable(slot.NewLocalKeyed(1))}
	shown := newShown(t, "crawl", workers, pool.WithSlots(l.src))
	l.Pool = shown.Pool
	page, err := dashboard.Handler(append([]dashboard.Pool{shown}, more...)...)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/pool/", http.StripPrefix("/pool", page))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.down.Load() {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	l.address = server.URL + "/pool/"
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, l.src.Close(context.Background()))
	})
	t.Cleanup(func() { end(l.Pool) })
	return l
}

func newShown(t *testing.T, name string, workers int, opts ...pool.Option) dashboard.Pool {
	t.Helper()
	rec, err := dashboard.NewRecorder()
	require.NoError(t, err)
	p, err := pool.New(workers, append(opts, pool.WithHooks(rec.Hooks()), pool.WithLogger(nil), pool.WithErrorHandler(func(error) {}))...)
	require.NoError(t, err)
	return dashboard.Pool{Name: name, Pool: p, Recorder: rec}
}

// end ends a pool and all its jobs.
func end(p *pool.Pool) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Shutdown(ctx)
}

// until runs until the channel is closed or its context ends, and says that it runs.
func until(stop <-chan struct{}, runs chan<- struct{}) pool.Job {
	return func(ctx context.Context) error {
		runs <- struct{}{}
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hostile would do something if it became markup.
const hostile = `<img src=x onerror="document.title='broken'">`

func TestThePageShowsWhatWaitsAndWhyALossAndARetry(t *testing.T) {
	l := serve(t, 4)
	stop, runs := make(chan struct{}), make(chan struct{})
	l.Submit(until(stop, runs), pool.Key("shop.example"), pool.Name("order 1"))
	<-runs
	second := l.Submit(nothing, pool.Key("shop.example"), pool.Name("order 2"))
	l.Submit(until(stop, runs), pool.Key(hostile))
	<-runs
	l.Submit(nothing, pool.Key(hostile), pool.Name(hostile))
	victim := l.Submit(until(stop, runs), pool.Key("lost.example"), pool.Name("victim"))
	<-runs
	l.src.Expire("lost.example")
	require.ErrorIs(t, victim.Wait(t.Context()), slot.ErrLost)
	l.Submit(func(context.Context) error { return pool.RetryAfter(time.Hour, errors.New("503 from "+hostile)) }, pool.Key("flaky.example"))

	tb := open(t, l.address, desk)
	tb.await(t, `document.querySelector("#retried").innerText.includes("503") && document.querySelectorAll("#oldest li").length === 2`)
	oldest := tb.text(t, "#oldest")
	require.Contains(t, oldest, "Slot order 2 shop.example this pool holds the only slot")
	require.Contains(t, oldest, hostile)
	require.Contains(t, tb.text(t, "#why-legend"), "2 for a slot")
	require.Contains(t, tb.text(t, "#losses"), "victim lost.example")
	require.Contains(t, tb.text(t, "#losses"), "slot lost, attempt 1")
	require.Contains(t, tb.text(t, "#retried"), "failed, attempt 1, again after 1 h 0 min: 503 from "+hostile)
	require.Contains(t, tb.text(t, "#failures"), "failed for good, attempt 1: slot: lost")
	require.Contains(t, tb.text(t, "#runs"), "order 1")
	require.Regexp(t, `shop\.example 1 1 1 of 1 .* Slot`, tb.text(t, "#lanes"))
	require.Regexp(t, `Workers at work at most [\d.]+ 2 of 4`, tb.text(t, "#charts"))
	require.Equal(t, "Pool crawl", eval[string](t, tb, "document.title"), "a text has become markup")

	close(stop)
	require.NoError(t, second.Wait(t.Context()))
	tb.await(t, `!document.querySelector("#why-none").hidden && !document.querySelector("#runs-none").hidden`)
	require.Contains(t, tb.text(t, "#slow"), "order 2")
	tb.requireQuiet(t, l.address)
}

// What the policy forbids the browser does not do.
func TestTheBrowserHoldsThePageToItsPolicy(t *testing.T) {
	l := serve(t, 1)
	tb := open(t, l.address, desk)
	tb.requireQuiet(t, l.address)
	for _, forbidden := range []string{
		`document.body.innerHTML = "<b>x</b>"`,
		`document.body.insertAdjacentHTML("beforeend", "<b>x</b>")`,
		`document.createElement("script").textContent = "x"`,
	} {
		thrown := fmt.Sprintf(`(() => { try { %s } catch (e) { return e.name } return "" })()`, forbidden)
		require.Equal(t, "TypeError", eval[string](t, tb, thrown), forbidden)
	}
	for kind, forbidden := range map[string]string{
		"connect-src": `fetch("http://127.0.0.1:9/").catch(() => {})`,
		"img-src":     `new Image().src = "http://127.0.0.1:9/x.png"`,
		"style-src":   `document.body.setAttribute("style", "color: red")`,
	} {
		tb.do(t, chromedp.Evaluate[chromedp.Void](`document.addEventListener("securitypolicyviolation", (e) => document.documentElement.dataset.refused = e.effectiveDirective); `+forbidden))
		tb.await(t, fmt.Sprintf(`document.documentElement.dataset.refused?.startsWith(%q)`, kind))
	}
}

func TestAllCanBeDoneByKeyboard(t *testing.T) {
	other := newShown(t, "mail", 3)
	t.Cleanup(func() { end(other.Pool) })
	l := serve(t, 1, other)
	stop, runs := make(chan struct{}), make(chan struct{})
	l.Submit(until(stop, runs), pool.Key("a"))
	<-runs
	for _, key := range []string{"bb", "cc", "cc"} {
		l.Submit(nothing, pool.Key(key))
	}
	tb := open(t, l.address, desk)

	tb.press(t, kb.Tab)
	require.Equal(t, "Skip to the content", eval[string](t, tb, "document.activeElement.textContent"))
	require.Greater(t, eval[float64](t, tb, "document.activeElement.getBoundingClientRect().left"), 0.0, "it shows once it has the focus")
	var order []string
	for range 10 {
		tb.press(t, kb.Tab)
		order = append(order, eval[string](t, tb, "document.activeElement.id || document.activeElement.textContent"))
		require.NotEqual(t, "none", eval[string](t, tb, "getComputedStyle(document.activeElement).outlineStyle"), "the focus of %v is not seen", order)
	}
	require.Equal(t, []string{"crawl", "mail", "pause", "filter", "top", "Key", "Queued", "Running", "Slots", "Longest wait"}, order)

	first := func(text string) {
		tb.await(t, fmt.Sprintf(`document.querySelector("#lanes tbody tr").innerText.startsWith(%q)`, text))
	}
	focus := func(selector string) {
		tb.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).focus()", selector)))
	}
	focus("[data-sort=queued]")
	tb.press(t, kb.Enter)
	first("cc")
	require.Equal(t, "descending", eval[string](t, tb, `document.querySelector("th:has([data-sort=queued])").ariaSort`))
	tb.await(t, "document.documentElement.dataset.answers > 3")
	require.Equal(t, "queued", eval[string](t, tb, "document.activeElement.dataset.sort"), "an answer takes the focus away")
	focus("#filter")
	tb.press(t, "b", "b")
	first("bb")
	tb.await(t, `document.querySelectorAll("#lanes tbody tr").length === 1`)
	require.Contains(t, eval[string](t, tb, "location.hash"), "q=bb")
	tb.press(t, "x")
	tb.await(t, `!document.querySelector("#lanes-none").hidden`)
	require.Equal(t, "None of 3 lanes has that in its key.", tb.text(t, "#lanes-none"))

	focus("#pause")
	tb.press(t, " ")
	tb.await(t, `document.querySelector("#pause").ariaPressed === "true" && document.querySelector("#status").innerText === "Paused"`)
	focus("#pools button:last-child")
	tb.press(t, kb.Enter)
	tb.await(t, `document.title === "Pool mail"`)
	require.Contains(t, tb.text(t, "#charts"), "0 of 3")
	close(stop)
	tb.requireQuiet(t, l.address)
}

func TestAPhoneShowsAllWithoutScrollingSideways(t *testing.T) {
	l := serve(t, 1)
	stop, runs := make(chan struct{}), make(chan struct{})
	long := strings.Repeat("https://example.com/", 20)
	l.Submit(until(stop, runs), pool.Key(long), pool.Name(long))
	<-runs
	for range 3 {
		l.Submit(nothing, pool.Key(long), pool.Name(long))
	}
	l.Submit(func(context.Context) error { return errors.New(strings.Repeat("x", 400)) })
	for _, look := range []appearance{phone, {320, 600, "dark", 1}} {
		tb := open(t, l.address, look)
		require.Equal(t, look.width, eval[int64](t, tb, "innerWidth"))
		require.LessOrEqual(t, eval[int64](t, tb, "document.documentElement.scrollWidth"), look.width)
		outside := `[...document.querySelectorAll("main *, header *")].filter((e) => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".skip")).map((e) => e.outerHTML.slice(0, 80)).join("\n")`
		require.Empty(t, eval[string](t, tb, outside), "is cut off")
		require.Regexp(t, `https://example\.com/.* Worker|Slot`, tb.text(t, "#lanes tbody"))
	}
	close(stop)
}

func TestThePageIsDarkWhereThatIsPreferred(t *testing.T) {
	l := serve(t, 1)
	const lightness = `getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)`
	require.Greater(t, eval[int](t, open(t, l.address, desk), lightness), 600)
	require.Less(t, eval[int](t, open(t, l.address, deskDark), lightness), 150)
}

func TestAServerThatDoesNotAnswerIsSaidAndAskedAgain(t *testing.T) {
	l := serve(t, 1)
	tb := open(t, l.address, desk)
	l.down.Store(true)
	tb.await(t, `document.querySelector("#status").innerText.includes("No answer: out of order")`)
	require.Contains(t, tb.text(t, "#charts"), "of 1", "what was known stays")
	l.down.Store(false)
	tb.await(t, `document.querySelector("#status").innerText.includes("Live")`)
}

// The server sends what is shown, and the page uses its elements again.
func TestTenThousandLanesMakeAPageOfTheSameSize(t *testing.T) {
	l := serve(t, 1)
	stop, runs := make(chan struct{}), make(chan struct{})
	l.Submit(until(stop, runs), pool.Key("first"))
	<-runs
	for i := range 10_000 {
		l.Submit(nothing, pool.Key(fmt.Sprintf("key %05d", i)))
	}
	tb := open(t, l.address, desk)
	require.Equal(t, "20 of 10,001 lanes", tb.text(t, "#lanes-count"))
	const elements = `document.querySelectorAll("*").length`
	few := eval[int](t, tb, elements)
	require.Less(t, few, 600)

	tb.do(t, chromedp.SetValue(chromedp.CSS("#top"), "200"))
	tb.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("#top").dispatchEvent(new Event("change"))`))
	tb.await(t, `document.querySelectorAll("#lanes tbody tr").length === 200`)
	require.Less(t, eval[int](t, tb, elements), few+180*8+1)
	tb.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("#filter").focus()`))
	tb.press(t, strings.Split("key 0123", "")...)
	tb.await(t, `document.querySelectorAll("#lanes tbody tr").length === 10`)
	require.Equal(t, "10 that match, of 10,001 lanes", tb.text(t, "#lanes-count"))
	require.LessOrEqual(t, eval[int](t, tb, elements), few)
	tb.requireQuiet(t, l.address)
}
