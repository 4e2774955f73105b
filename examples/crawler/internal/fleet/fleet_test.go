package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// The test binary is the worker process too, of the kind that this variable
// names.
const kindVariable = "FLEET_TEST_WORKER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(kindVariable); kind != "" {
		work(kind)
		return
	}
	goleak.VerifyTestMain(m)
}

// work answers each URL, and ends on a drain or at the end of its input.
func work(kind string) {
	in, out := pipe.NewReader[pipe.Command](os.Stdin), pipe.NewWriter[pipe.Result](os.Stdout)
	for {
		c, err := in.Read()
		switch {
		case err != nil:
			os.Exit(3)
		case c.Setup != nil:
			out.Write(pipe.Result{URL: fmt.Sprint("worker ", c.Setup.Worker)})
		case c.Pause != nil:
			out.Write(pipe.Result{URL: "paused", Pause: c.Pause})
		case c.Drain:
			return
		case kind == "babbles":
			fmt.Println("I fetched", c.URL)
		default:
			out.Write(pipe.Result{URL: c.URL, Status: 200})
		}
	}
}

func start(t *testing.T, kind string) (*Worker, chan Event) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), kindVariable+"="+kind)
	events := make(chan Event)
	w, err := Start(cmd, pipe.Setup{Worker: 7, Window: 10}, events)
	require.NoError(t, err)
	require.Equal(t, "worker 7", (<-events).Result.URL)
	return w, events
}

func TestDrainedWorkerAnswersAllThatItHasAndEndsInOrder(t *testing.T) {
	w, events := start(t, "works")
	for i := range 10 {
		w.Send(pipe.Command{URL: fmt.Sprint(i), Host: "h"})
	}
	w.Drain(time.Minute)
	for i := range 10 {
		e := <-events
		require.Equal(t, fmt.Sprint(i), e.Result.URL)
		require.Same(t, w, e.Worker)
	}
	e := <-events
	require.True(t, e.Gone)
	require.NoError(t, e.Err)
	w.Send(pipe.Command{URL: "late", Host: "h"}) // to a dead process: nothing happens
	w.Close()
}

func TestWorkerIsToldOfAPauseUnlessItDoesNotListen(t *testing.T) {
	w, events := start(t, "works")
	w.Pause(pipe.Pause{Host: "h", For: time.Second})
	require.Equal(t, &pipe.Pause{Host: "h", For: time.Second}, (<-events).Result.Pause)
	require.NoError(t, w.Kill())
	require.True(t, (<-events).Gone)
	for range 2 * maxPauses {
		w.Pause(pipe.Pause{Host: "h"})
	}
}

func TestKilledWorkerIsReportedGone(t *testing.T) {
	w, events := start(t, "works")
	w.Send(pipe.Command{URL: "1", Host: "h"})
	require.Equal(t, "1", (<-events).Result.URL)
	require.NoError(t, w.Kill())
	e := <-events
	require.True(t, e.Gone)
	require.ErrorContains(t, e.Err, "killed")
	for range 100 { // more than there is room for
		w.Send(pipe.Command{URL: "2", Host: "h"})
	}
}

func TestWorkerWhosePipeClosesEndsByItself(t *testing.T) {
	w, events := start(t, "works")
	w.Close()
	w.Close()
	e := <-events
	require.True(t, e.Gone)
	require.ErrorContains(t, e.Err, "exit status 3")
}

func TestWorkerThatDoesNotSpeakTheProtocolIsKilled(t *testing.T) {
	w, events := start(t, "babbles")
	w.Send(pipe.Command{URL: "1", Host: "h"})
	e := <-events
	require.True(t, e.Gone)
	require.ErrorContains(t, e.Err, "no pipe.Result")
}

func TestProgramThatCannotBeStartedIsAnError(t *testing.T) {
	_, err := Start(exec.Command(t.TempDir()+"/none"), pipe.Setup{Worker: 2}, nil)
	require.ErrorContains(t, err, "start worker 2")
}
