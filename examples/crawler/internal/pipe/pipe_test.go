package pipe

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachLineArrivesAsItWasWritten(t *testing.T) {
	var b bytes.Buffer
	sent := []Command{
		{Setup: &Setup{Worker: 1, Workers: 2, Window: 4, Server: "127.0.0.1:1", Lease: time.Second, Slots: 3, PerHost: 4}},
		{URL: "http://x/?a=1&b=<\n>", Host: "x", Robots: true, Pace: time.Second, Wait: time.Minute},
		{Pause: &Pause{Host: "x", For: time.Second, Over: "enough"}},
		{Drain: true},
	}
	w := NewWriter[Command](&b)
	for _, c := range sent {
		require.NoError(t, w.Write(c))
	}
	require.Equal(t, len(sent), strings.Count(b.String(), "\n"), "one line each")

	r := NewReader[Command](&b)
	for _, want := range sent {
		got, err := r.Read()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := r.Read()
	require.ErrorIs(t, err, io.EOF)
}

func TestLineThatADyingProcessLeftHalfWrittenIsTheEnd(t *testing.T) {
	r := NewReader[Result](strings.NewReader(`{"url":"http://a/","status":200}` + "\n" + `{"url":"http://b/","sta`))
	got, err := r.Read()
	require.NoError(t, err)
	require.Equal(t, Result{URL: "http://a/", Status: 200}, got)
	_, err = r.Read()
	require.Equal(t, io.EOF, err)
}

func TestLineThatIsNotOfTheProtocolIsAnError(t *testing.T) {
	for _, line := range []string{"hello\n", `{"status":"two"}` + "\n", "[]\n"} {
		_, err := NewReader[Result](strings.NewReader(line)).Read()
		require.Error(t, err, line)
		require.NotErrorIs(t, err, io.EOF, line)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	in, out := io.Pipe()
	w := NewWriter[Result](out)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				if w.Write(Result{URL: strings.Repeat("x", 5000), Status: 200}) != nil {
					return
				}
			}
		})
	}
	go func() { writers.Wait(); out.Close() }()
	r, n := NewReader[Result](in), 0
	for {
		got, err := r.Read()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Len(t, got.URL, 5000)
		n++
	}
	require.Equal(t, 400, n)
}
