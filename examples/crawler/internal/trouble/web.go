package trouble

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Site is what a host answers, by path with query, as it stands in the
// request. Any other path is answered 404.
type Site map[string]http.HandlerFunc

// A Request is an entry in the log.
type Request struct {
	Host  string
	Path  string // with query, as it stood in the request
	Agent string // the value of User-Agent
	At    time.Time
	Until time.Time // when it was answered or given up; zero: it goes on
}

// A Web is a set of sites by host.
type Web struct {
	sites map[string]Site

	mu  sync.Mutex // guards log; nothing blocks while it is held
	log []*Request

	hosts map[string]*host // in memory; not changed after Start
}

// A host serves a site over connections in memory.
type host struct {
	name   string
	server http.Server
	conns  chan net.Conn // from Dial to Accept
	closed chan struct{}
	served chan struct{}
}

// NewWeb returns a web of sites.
func NewWeb(sites map[string]Site) *Web { return &Web{sites: sites} }

// Start makes the sites reachable through Dial, until the function that it
// returns is called, which waits for all that was started.
func (w *Web) Start() (stop func()) {
	w.hosts = map[string]*host{}
	for name := range w.sites {
		h := &host{name: name, conns: make(chan net.Conn), closed: make(chan struct{}), served: make(chan struct{})}
		h.server.Handler = w.Handler(name)
		w.hosts[name] = h
		go func() {
			defer close(h.served)
			_ = h.server.Serve(h) // always http.ErrServerClosed
		}()
	}
	return func() {
		for _, h := range w.hosts {
			_ = h.server.Close()
			<-h.served
		}
	}
}

// Dial connects to a site. A host that the web does not know has no address.
func (w *Web) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port != "80" {
		name = address
	}
	h := w.hosts[name]
	if h == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	client, server := net.Pipe()
	select {
	case h.conns <- server:
		return client, nil
	case <-h.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept, Close and Addr make a host a net.Listener.
func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error {
	close(h.closed)
	return nil
}

func (h *host) Addr() net.Addr  { return h }
func (h *host) Network() string { return "memory" }
func (h *host) String() string  { return h.name }

// Handler answers for one of the sites and writes the log.
func (w *Web) Handler(host string) http.Handler {
	site := w.sites[host]
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		entry := &Request{Host: host, Path: r.RequestURI, Agent: r.UserAgent(), At: time.Now()}
		w.mu.Lock()
		w.log = append(w.log, entry)
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			entry.Until = time.Now()
			w.mu.Unlock()
		}()
		if answer := site[r.RequestURI]; answer != nil {
			answer(rw, r)
			return
		}
		http.NotFound(rw, r)
	})
}

// Log returns the requests to a host up to now, in the order in which they came.
func (w *Web) Log(host string) (log []Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.log {
		if r.Host == host {
			log = append(log, *r)
		}
	}
	return log
}

// Paths returns the paths of a host's log.
func (w *Web) Paths(host string) (paths []string) {
	for _, r := range w.Log(host) {
		paths = append(paths, r.Path)
	}
	return paths
}
