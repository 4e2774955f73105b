package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// A talk is a worker in this process, and the parent's ends of its pipes.
type talk struct {
	t       *testing.T
	say     *pipe.Writer[pipe.Command]
	hear    *pipe.Reader[pipe.Result]
	hangUp  func()
	ended   chan error
	address string // of a site to fetch from
}

// startTalk starts a worker that claims no slots, and a site that answers
// by serve.
func startTalk(t *testing.T, serve http.HandlerFunc) *talk {
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	stdin, commands := io.Pipe()
	results, stdout := io.Pipe()
	k := &talk{
		t: t, say: pipe.NewWriter[pipe.Command](commands), hear: pipe.NewReader[pipe.Result](results),
		hangUp: func() { commands.Close() }, ended: make(chan error, 1), address: s.URL,
	}
	t.Cleanup(k.hangUp)
	go func() { k.ended <- work(stdin, stdout, outside{}) }()
	require.NoError(t, k.say.Write(pipe.Command{Setup: &pipe.Setup{Worker: 1, Workers: 2, Window: 4, MaxWait: time.Millisecond}}))
	return k
}

func (k *talk) fetch(path string) pipe.Result {
	require.NoError(k.t, k.say.Write(pipe.Command{URL: k.address + path, Host: "h"}))
	return k.result()
}

// result returns the next result that is about a URL.
func (k *talk) result() pipe.Result {
	for {
		r, err := k.hear.Read()
		require.NoError(k.t, err)
		if r.Pause == nil {
			return r
		}
	}
}

func TestWorkerReportsEachURL(t *testing.T) {
	k := startTalk(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			panic(http.ErrAbortHandler)
		case "/missing":
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte(`<a href="x">`))
		}
	})
	require.Equal(t, pipe.Result{URL: k.address + "/", Status: 200, Bytes: 12, HTML: true, Links: []string{k.address + "/x"}}, k.fetch("/"))
	require.Equal(t, 404, k.fetch("/missing").Status)
	r := k.fetch("/broken")
	require.NotEmpty(t, r.Err)
	require.False(t, r.Again, "the site's fault")

	require.NoError(t, k.say.Write(pipe.Command{Drain: true, Within: time.Minute}))
	require.NoError(t, <-k.ended)
}

func TestDrainingWorkerFinishesWhatItHas(t *testing.T) {
	arrived, answer := make(chan bool), make(chan bool)
	k := startTalk(t, func(http.ResponseWriter, *http.Request) { arrived <- true; <-answer })
	for _, path := range []string{"/1", "/2"} {
		require.NoError(t, k.say.Write(pipe.Command{URL: k.address + path}))
		<-arrived
	}
	require.NoError(t, k.say.Write(pipe.Command{Drain: true, Within: time.Minute}))
	close(answer)
	for range 2 {
		require.Equal(t, 200, k.result().Status)
	}
	require.NoError(t, <-k.ended)
}

func TestWorkerWithoutAParentStopsAtOnce(t *testing.T) {
	arrived, never := make(chan bool), make(chan bool)
	k := startTalk(t, func(http.ResponseWriter, *http.Request) { arrived <- true; <-never })
	t.Cleanup(func() { close(never) })
	require.NoError(t, k.say.Write(pipe.Command{URL: k.address + "/"}))
	<-arrived
	k.hangUp()
	r := k.result()
	require.True(t, r.Again, "the page is not at fault: %s", r.Err)
	select {
	case err := <-k.ended:
		require.ErrorIs(t, err, errHungUp)
	case <-time.After(time.Minute):
		t.Fatal("still there")
	}
}

func TestWorkerStartedByHandExplainsItself(t *testing.T) {
	require.ErrorContains(t, work(bytes.NewReader(nil), io.Discard, outside{}), "start it without arguments")
	require.ErrorContains(t, work(bytes.NewReader([]byte("hello\n")), io.Discard, outside{}), "start it without arguments")
}
