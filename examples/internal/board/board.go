// Package board serves the dashboard of an example's pool, on this machine only: the
// page has no login.
package board

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/berth-go/berth/dashboard"
)

// Check says what is wrong with an address that a user gave: it needs a port, and its
// host must be this machine's, or be left out.
func Check(address string) error {
	host, port, err := net.SplitHostPort(address)
	n, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q: want host:port, such as 127.0.0.1:8080", address)
	}
	if host != "" && !isHere(host) {
		return fmt.Errorf("%s: the page is for this machine only: give a loopback address, such as 127.0.0.1", address)
	}
	return nil
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Nth returns the address of the nth of several processes, from 1: the port is
// counted up from that of an address that passes Check, unless that is 0.
func Nth(address string, n int) string {
	host, port, _ := net.SplitHostPort(address)
	first, _ := strconv.Atoi(port)
	if first == 0 {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(first+n-1))
}

// A Page is a dashboard that is served.
type Page struct {
	URL string
	end func() error
}

// Serve serves the dashboard of a pool at an address that passes Check.
func Serve(address string, p dashboard.Pool) (*Page, error) {
	page, err := dashboard.Handler(p)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("-http: %w", err)
	}
	s := &http.Server{Handler: onlyFromHere(page), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	return &Page{URL: "http://" + ln.Addr().String() + "/", end: sync.OnceValue(func() error {
		err := s.Close()
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	})}, nil
}

// onlyFromHere refuses requests for another host's name. A page of somebody else could
// have its name lead here, and would be let read what is answered.
func onlyFromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil || !isHere(host) {
			http.Error(w, "ask for it by the address of this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Close ends the server. Who looks at the page is not waited for. It may be called
// more than once, and for a nil Page.
func (p *Page) Close() error {
	if p == nil {
		return nil
	}
	return p.end()
}
