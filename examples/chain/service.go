package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	workTime    = 10 * time.Millisecond  // an answer takes so long
	hangTime    = 2 * time.Second        // and so long when it hangs
	outageAfter = 60                     // requests
	outageTime  = 700 * time.Millisecond // for which all requests fail then
)

// A fate is what the plan has for a request.
type fate int

const (
	fine    fate = iota
	broken       // 500
	busy         // 503, with the time to come back at
	hanging      // no answer in time
	missing      // 404: the item does not exist, whenever it is asked for
)

// fateOf is what happens at the n-th request for an item, from 1.
func fateOf(seed uint64, item string, n int) fate {
	h := fnv.New64a()
	io.WriteString(h, item)
	if rand.New(rand.NewPCG(seed, h.Sum64())).Float64() < 0.02 {
		return missing
	}
	switch draw := rand.New(rand.NewPCG(seed+uint64(n), h.Sum64())).Float64(); {
	case draw < 0.08:
		return broken
	case draw < 0.11:
		return busy
	case draw < 0.14:
		return hanging
	}
	return fine
}

// A service answers requests for items, as its plan has it.
type service struct {
	seed uint64
	http http.Server
	addr string
	done chan struct{} // closed when the serving goroutine has ended

	mu        sync.Mutex // guards the rest
	requests  int
	ofItem    map[string]int
	downUntil time.Time
}

func startService(seed uint64) (*service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	s := &service{seed: seed, addr: l.Addr().String(), done: make(chan struct{}), ofItem: map[string]int{}}
	s.http.Handler = s
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // http.ErrServerClosed, after Close
	}()
	return s, nil
}

func (s *service) url(item string) string { return "http://" + s.addr + "/" + item }

func (s *service) close() {
	s.http.Close()
	<-s.done
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch s.next(r.URL.Path[1:]) {
	case broken:
		http.Error(w, "broken", http.StatusInternalServerError)
	case busy:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case hanging:
		select {
		case <-r.Context().Done():
		case <-time.After(hangTime):
		}
	case missing:
		http.NotFound(w, r)
	default:
		time.Sleep(workTime)
		fmt.Fprintln(w, "here you are")
	}
}

// next counts a request and returns its fate.
func (s *service) next(item string) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests == outageAfter {
		s.downUntil = time.Now().Add(outageTime)
	}
	if time.Now().Before(s.downUntil) {
		return broken
	}
	s.ofItem[item]++
	return fateOf(s.seed, item, s.ofItem[item])
}
