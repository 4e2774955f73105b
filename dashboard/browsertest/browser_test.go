//go:build linux && !race && !386

package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a page may take for something that it does in moments.
const patience = time.Minute

// chromium is the browser of all tests, nil before the first.
var chromium struct {
	ctx context.Context
	end []context.CancelFunc
}

// browser returns the Chromium of this machine, without a window. Where there is none
// the test is skipped, or fails in CI.
func browser(t *testing.T) context.Context {
	t.Helper()
	if chromium.ctx == nil {
		startBrowser(t, findBrowser(t))
	}
	return chromium.ctx
}

func findBrowser(t *testing.T) (path string) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "there is no Chromium on the path (apt-get install chromium)")
	return ""
}

// missing ends a test that lacks something which CI has.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("did not run: " + what)
}

func startBrowser(t *testing.T, path string) {
	t.Helper()
	ctx, endAllocator := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience), chromedp.Flag("lang", "en"))...)
	ctx, endBrowser := chromedp.NewContext(ctx)
	chromium.end = []context.CancelFunc{func() { _ = chromedp.Cancel(ctx) }, endBrowser, endAllocator}
	require.NoError(t, chromedp.Do(ctx))
	chromium.ctx = ctx
}

// stopBrowser waits until it has ended.
func stopBrowser() {
	for _, end := range chromium.end {
		end()
	}
}

// A tab is a page that is open.
type tab struct {
	ctx context.Context

	mu       sync.Mutex // guards what follows
	requests []string   // addresses that the page asked for
	faults   []string   // errors on its console
}

// open opens a page and waits until it has shown an answer.
func open(t *testing.T, address string, look appearance) *tab {
	t.Helper()
	tb := newTab(t, look)
	tb.do(t, chromedp.Navigate(address))
	tb.await(t, "document.documentElement.dataset.answers > 0")
	return tb
}

func newTab(t *testing.T, look appearance) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t))
	t.Cleanup(cancel)
	tb := &tab{ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, tb.listen))
	call(t, tb, network.Enable, network.EnableParams{})
	call(t, tb, log.Enable, cdp.Empty{})
	scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: look.scheme}
	call(t, tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{scheme}})
	tb.do(t, chromedp.EmulateViewport(look.width, look.height, chromedp.EmulateScale(look.scale)))
	return tb
}

// An appearance is a screen, and what its owner likes.
type appearance struct {
	width, height int64
	scheme        string
	scale         float64
}

var (
	desk     = appearance{1180, 800, "light", 1}
	deskDark = appearance{1180, 800, "dark", 1}
	phone    = appearance{360, 740, "light", 1}
)

func (tb *tab) listen(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tb.requests = append(tb.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		tb.faults = append(tb.faults, fmt.Sprint("exception: ", e.ExceptionDetails.Text))
	case *runtime.EventConsoleAPICalled:
		tb.faults = append(tb.faults, fmt.Sprint("console: ", e.Type))
	case *log.EventEntryAdded:
		tb.faults = append(tb.faults, fmt.Sprint("console: ", e.Entry.Level, " ", e.Entry.Text))
	}
}

// do does things with the page.
func (tb *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(tb.ctx, actions...))
}

// call sends a command to the tab.
func call[P, R any](t *testing.T, tb *tab, command cdp.Command[P, R], params P) R {
	t.Helper()
	r, err := chromedp.Call(tb.ctx, command, params)
	require.NoError(t, err)
	return r
}

// eval returns the value of an expression in the page.
func eval[T any](t *testing.T, tb *tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return value
}

// await waits until an expression is true in the page.
func (tb *tab) await(t *testing.T, expression string) {
	t.Helper()
	for began := time.Now(); !eval[bool](t, tb, "!!("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s is not true; the page has:\n%s", expression, eval[string](t, tb, "document.body.innerText"))
		}
	}
}

// text returns what stands in an element.
func (tb *tab) text(t *testing.T, selector string) string {
	t.Helper()
	return strings.Join(strings.Fields(eval[string](t, tb, fmt.Sprintf("document.querySelector(%q).innerText", selector))), " ")
}

// requireQuiet requires that the page asked its own server for everything, and that
// its console is empty.
func (tb *tab) requireQuiet(t *testing.T, address string) {
	t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	require.NotEmpty(t, tb.requests)
	for _, r := range tb.requests {
		require.True(t, strings.HasPrefix(r, address), "the page asked for %s", r)
	}
	require.Empty(t, tb.faults)
}

// press presses keys, one after the other.
func (tb *tab) press(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		tb.do(t, chromedp.KeyEvent(k))
	}
}
