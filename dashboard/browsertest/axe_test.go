//go:build linux && !race && !386

package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func TestAxeFindsNothingSeriousOnThePage(t *testing.T) {
	browser(t)
	axe := axeCore(t)
	page := httptest.NewServer(recorded(t, crawled(t)))
	defer page.Close()
	for _, look := range []appearance{desk, deskDark, phone} {
		require.Empty(t, serious(t, axe, page.URL+"/", look), "%+v", look)
	}
}

// One that finds nothing anywhere would be of no use.
func TestAxeFindsWhatIsWrongWithAPage(t *testing.T) {
	browser(t)
	axe := axeCore(t)
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><html data-answers="1"><title>x</title><p style="color:#ccc;background:#fff">pale</p><button></button>`)
	}))
	defer bad.Close()
	require.GreaterOrEqual(t, len(serious(t, axe, bad.URL+"/", desk)), 3, "no language, no contrast, no name")
}

// serious returns what axe finds on a page that is serious or critical. The page's
// policy lets no script in, so it is switched off for the tab.
func serious(t *testing.T, axe, address string, look appearance) []string {
	t.Helper()
	tb := newTab(t, look)
	call(t, tb, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
	tb.do(t, chromedp.Navigate(address))
	tb.await(t, "document.documentElement.dataset.answers > 0")
	tb.do(t, chromedp.Evaluate[chromedp.Void](axe))
	const run = `axe.run({ resultTypes: ["violations"] }).then((r) => r.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; ")))`
	found, err := chromedp.Run(tb.ctx, chromedp.Evaluate[[]string](run, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return found
}

// axeCore returns the script. CI must have it.
func axeCore(t *testing.T) string {
	t.Helper()
	script, err := loadAxe()
	if err != nil {
		missing(t, err.Error())
	}
	return script
}
