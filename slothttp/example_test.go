package slothttp_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slothttp"
)

// An http.Client that has at most two requests to a host under way.
func ExampleTransport() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from", r.URL.Path)
	}))
	defer site.Close()

	src := slot.NewLocalKeyed(2) // or a source that other machines share
	client := &http.Client{Transport: &slothttp.Transport{Source: src}}
	defer client.CloseIdleConnections()

	resp, err := client.Get(site.URL + "/page")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close() // gives the slot back, if the end of the body has not
	text, err := io.ReadAll(resp.Body)
	fmt.Print(string(text))
	fmt.Println(err)
	// Output:
	// hello from /page
	// <nil>
}

// A client that leaves a site alone which asks for that, with everybody else who
// shares the source.
func ExampleTransport_pauseAtMost() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	}))
	defer site.Close()

	src := slot.NewLocalKeyed(2) // or a source that other machines share
	client := &http.Client{Transport: &slothttp.Transport{
		Source:      src,
		Key:         func(*http.Request) string { return "site" },
		PauseAtMost: 10 * time.Second, // the site is asked again after that, whatever it says
		OnPause: func(key string, d time.Duration, err error) {
			fmt.Println(key, "is left alone, for at most 10 s:", d <= 10*time.Second, err)
		},
	}}
	defer client.CloseIdleConnections()

	resp, err := client.Get(site.URL)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	_, granted, err := src.Try(context.Background(), "site")
	fmt.Println("a slot for somebody else:", granted, err)
	// Output:
	// site is left alone, for at most 10 s: true <nil>
	// 429 Too Many Requests
	// a slot for somebody else: false <nil>
}

// A handler that serves one request of each customer at a time.
func ExampleHandler() {
	src := slot.NewLocalKeyed(1) // or a source that other instances share
	report := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// r.Context() ends if the slot is lost.
		fmt.Fprintln(w, "the report of", r.Header.Get("Customer"))
	})
	customer := func(r *http.Request) string { return r.Header.Get("Customer") }
	h, err := slothttp.Handler(report, src, customer, slothttp.WithMaxWait(0))
	if err != nil {
		log.Fatal(err)
	}

	ask := func() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Customer", "seven")
		h.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Header().Get("Retry-After"), " ", w.Body)
	}
	ask()
	busy, _, err := src.Try(context.Background(), "seven")
	if err != nil {
		log.Fatal(err)
	}
	ask()
	fmt.Println(busy.Release())
	// Output:
	// 200  the report of seven
	// 503 1 All slots for this request are taken. Try again later.
	// <nil>
}
