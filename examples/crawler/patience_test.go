package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

var errBusy = errors.New("busy")

// may asks for leave to make a request, and returns how long to wait for it.
func may(t *testing.T, p *patience) time.Duration {
	wait, err := p.enter("h")
	require.NoError(t, err)
	return wait
}

func TestHostIsLeftAloneForAsLongAsItAsksAndLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		require.Zero(t, may(t, p))
		require.Equal(t, pipe.Pause{Host: "h", For: 5 * time.Second, Why: "busy"}, p.refused("h", 5*time.Second, errBusy))
		require.Equal(t, 5*time.Second, may(t, p))
		require.Equal(t, 5*time.Second, p.refused("h", 0, errBusy).For, "one that was out as well does not count again, nor shorten it")
		wait, err := p.enter("other")
		require.NoError(t, err)
		require.Zero(t, wait)

		time.Sleep(5 * time.Second)
		require.Zero(t, may(t, p), "one goes first")
		require.Equal(t, firstWait, may(t, p), "and the others wait for its answer")
		require.Equal(t, 2*time.Second, p.refused("h", 0, errBusy).For, "twice as long for the second time in a row")
		time.Sleep(2 * time.Second)
		require.Zero(t, may(t, p))
		p.left("h") // it was not made after all
		require.Zero(t, may(t, p))
		p.answered("h")
		require.Zero(t, may(t, p))
		require.Zero(t, may(t, p), "all may go")
		require.Equal(t, firstWait, p.refused("h", 0, errBusy).For, "and it begins anew")
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		require.Contains(t, p.refused("h", time.Minute+1, errBusy).Over, "-max-wait")
		_, err := p.enter("h")
		require.ErrorIs(t, err, errBusy)
		p.answered("h") // by a request of before
		_, err = p.wait("h")
		require.Error(t, err)

		p = newPatience(time.Hour)
		for range maxRefusals - 1 {
			pause := p.refused("h", 0, errBusy)
			require.Empty(t, pause.Over)
			time.Sleep(pause.For)
		}
		require.Contains(t, p.refused("h", 0, errBusy).Over, "time in a row")

		p = newPatience(10 * time.Second)
		require.Empty(t, p.refused("h", 8*time.Second, errBusy).Over)
		time.Sleep(8 * time.Second)
		require.Contains(t, p.refused("h", 8*time.Second, errBusy).Over, "-max-wait", "in all")
	})
}

func TestPauseOfAnotherProcessIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Minute)
		require.Zero(t, may(t, p))
		p.told(pipe.Pause{Host: "h", For: 5 * time.Second})
		require.Equal(t, 5*time.Second, may(t, p))
		p.answered("h")
		require.Equal(t, 5*time.Second, may(t, p), "an answer to a request from before the pause does not end it")
		time.Sleep(5 * time.Second)
		require.Zero(t, may(t, p))
		p.told(pipe.Pause{Host: "h", For: 5 * time.Second}) // while one went first
		p.answered("h")
		time.Sleep(5 * time.Second)
		require.Zero(t, may(t, p), "its answer lets the next one go first")
		p.told(pipe.Pause{Host: "h", Over: "enough"})
		_, err := p.wait("h")
		require.EqualError(t, err, "enough")
	})
}
