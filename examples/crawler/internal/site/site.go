package site

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Every page takes at least MinDelay and at most MaxDelay to answer.
const (
	MinDelay = 20 * time.Millisecond
	MaxDelay = 60 * time.Millisecond
)

// A Site serves files at a port of the loopback interface.
type Site struct {
	*Counter
	server http.Server
	addr   string
	served chan error // from the serving goroutine, once
}

// Start serves files at a free port until Close. The seed draws the delays; full
// is the number of requests at once that the counter takes for the use of all
// slots.
func Start(files fs.FS, seed uint64, full int) (*Site, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the local site: %w", err)
	}
	return Serve(l, files, seed, full), nil
}

// Serve is Start for a listener that there is already.
func Serve(l net.Listener, files fs.FS, seed uint64, full int) *Site {
	s := &Site{Counter: NewCounter(full), addr: l.Addr().String(), served: make(chan error, 1)}
	s.server.Handler = Handler(files, seed, s.Counter)
	go func() { s.served <- s.server.Serve(l) }()
	return s
}

// URL is the site's top page.
func (s *Site) URL() string { return "http://" + s.addr + "/" }

// Close ends the site and its connections and waits for what it started.
func (s *Site) Close() error {
	// Shutdown first: requests of a process that was killed end in a moment,
	// and Close alone would not wait for them.
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second,
		fmt.Errorf("the site's requests took too long to end"))
	defer cancel()
	err := cmp.Or(s.server.Shutdown(ctx), s.server.Close())
	<-s.served // always http.ErrServerClosed by now
	return err
}

// Handler serves files, with listings for folders, each page after its delay,
// and counts in c.
func Handler(files fs.FS, seed uint64, c *Counter) http.Handler {
	next := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave := c.Arrive(Host(r.URL.EscapedPath()))
		defer leave()
		// Not cut short when the client goes away: see the package's comment.
		time.Sleep(delay(seed, r.URL.Path))
		next.ServeHTTP(&answer{ResponseWriter: w, leave: leave}, r)
	})
}

// delay is the same for a page in every run with the same seed, in whatever
// order the pages are asked for.
func delay(seed uint64, path string) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(path))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	return MinDelay + time.Duration(r.Int64N(int64(MaxDelay-MinDelay)+1))
}

// An answer counts its request out before the first byte goes to the client.
type answer struct {
	http.ResponseWriter
	leave func()
}

func (a *answer) WriteHeader(status int) {
	a.leave()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.leave()
	return a.ResponseWriter.Write(b)
}
