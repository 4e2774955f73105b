//go:build linux && !race && !386

package browsertest

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/pool"
)

var still = flag.String("still", "", "write the pictures of the page to the files with this `prefix`, -light.png and -dark.png")

// The pictures of the README are made by
//
//	go test ./dashboard/browsertest -run Still -args -still $PWD/docs/dashboard
//
// They show a crawl that is nearly the same each time. The fonts are those of the machine:
// Inter, if it is there.
func TestAStillOfThePageIsMade(t *testing.T) {
	browser(t) // before the work
	server := httptest.NewServer(recorded(t, crawled(t)))
	defer server.Close()
	for _, look := range []appearance{desk, deskDark} {
		picture := photograph(t, server.URL+"/", look)
		require.Greater(t, len(picture), 20_000, "there is something on it")
		if *still != "" {
			require.NoError(t, os.WriteFile(*still+"-"+look.scheme+".png", picture, 0o644))
		}
	}
}

// photograph takes a picture of the page down to the end of the lanes.
func photograph(t *testing.T, address string, look appearance) []byte {
	if *still != "" {
		look.scale = 1.6
	}
	tb := open(t, address, look)
	area := &page.Viewport{Width: float64(look.width), Height: eval[float64](t, tb, `document.querySelector("#lanes").closest("section").getBoundingClientRect().bottom + 8`), Scale: 1}
	return call(t, tb, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: area, CaptureBeyondViewport: new(true)}).Data
}

// recorded serves the page with an answer of before.
func recorded(t *testing.T, answer []byte) http.Handler {
	rec, err := dashboard.NewRecorder()
	require.NoError(t, err)
	p, err := pool.New(1, pool.WithHooks(rec.Hooks()))
	require.NoError(t, err)
	handler, err := dashboard.Handler(dashboard.Pool{Name: "crawl", Pool: p, Recorder: rec})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("/state.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
	return mux
}
