package dashboard

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

// contents are the files of the page, by their paths.
var contents = map[string]struct{ file, kind string }{
	"":          {"page/index.html", "text/html; charset=utf-8"},
	"app.js":    {"page/app.js", "text/javascript; charset=utf-8"},
	"style.css": {"page/style.css", "text/css; charset=utf-8"},
	"icon.svg":  {"page/icon.svg", "image/svg+xml"},
}

// statePath is where the JSON is.
const statePath = "state.json"

// policy is what the page may do: run, apply and ask for its own files, and make no
// markup of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler returns a handler that serves the page about these pools at "/", its files
// beside it and the JSON at "/state.json". Mount it below a path that ends in a slash:
//
//	http.Handle("/pool/", http.StripPrefix("/pool", page))
//
// It answers GET and HEAD, changes nothing, and keeps nothing between requests. It
// has no login: see the package documentation. A pool that cannot be shown is an
// error, which says what to do.
func Handler(pools ...Pool) (http.Handler, error) {
	if err := check(pools); err != nil {
		return nil, err
	}
	return &handler{pools: slices.Clone(pools)}, nil
}

type handler struct{ pools []Pool }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	path := strings.TrimPrefix(r.URL.Path, "/")
	file, known := contents[path]
	switch {
	case !known && path != statePath:
		http.Error(w, "not found: this is the dashboard of package berth/dashboard; where it is mounted below a path, as in /pool/, it needs http.StripPrefix(\"/pool\", …)", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "the dashboard only reads: use GET or HEAD", http.StatusMethodNotAllowed)
	case path == statePath:
		h.serveState(w, r)
	default:
		serveFile(w, r, file.file, file.kind)
	}
}

func serveFile(w http.ResponseWriter, r *http.Request, name, kind string) {
	text, err := files.ReadFile(name)
	if err != nil {
		panic("bug: " + err.Error())
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}

func (h *handler) serveState(w http.ResponseWriter, r *http.Request) {
	ask, err := h.question(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := json.Marshal(stateOf(h.pools, ask))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, r, statePath, time.Time{}, bytes.NewReader(append(text, '\n')))
}

// A question is what state.json was asked for.
type question struct {
	pool, filter, sort string
	top                int
}

// Defaults and bounds of a question.
const (
	defaultTop    = 20
	mostTop       = 200
	longestFilter = 256
)

func (h *handler) question(r *http.Request) (question, error) {
	ask := question{pool: h.pools[0].Name, sort: "wait", top: defaultTop}
	q := r.URL.Query()
	if q.Has("pool") {
		ask.pool = q.Get("pool")
	}
	if !slices.ContainsFunc(h.pools, func(p Pool) bool { return p.Name == ask.pool }) {
		return ask, fmt.Errorf("pool=%q: there is no such pool", ask.pool)
	}
	if q.Has("sort") {
		ask.sort = q.Get("sort")
	}
	if orders[ask.sort] == nil {
		return ask, fmt.Errorf("sort=%q: want wait, queued, running, slots or key", ask.sort)
	}
	if ask.filter = q.Get("q"); len(ask.filter) > longestFilter {
		return ask, fmt.Errorf("q: want %d bytes at most", longestFilter)
	}
	if q.Has("top") {
		n, err := strconv.Atoi(q.Get("top"))
		if err != nil || n < 1 || n > mostTop {
			return ask, fmt.Errorf("top=%q: want a number from 1 to %d", q.Get("top"), mostTop)
		}
		ask.top = n
	}
	return ask, nil
}
