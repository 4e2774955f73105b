package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

func TestPausesOfRequestsThatWereOutTogetherAreOne(t *testing.T) {
	var p pauses
	require.Empty(t, p.lines())
	now := time.Now()
	say := func(host string, after, d time.Duration, why string) {
		p.note(pipe.Pause{Host: host, For: d, Why: why}, now.Add(after))
	}
	say("a", 0, 10*time.Second, "it is busy")
	say("a", time.Second, 10*time.Second, "it is busy") // until a second later
	say("a", 2*time.Second, time.Second, "it is busy")  // before the end of the others
	say("b", 3*time.Second, time.Minute, "it does not answer")
	require.Equal(t, []string{
		"a was left alone for 11.0 s, once because it is busy",
		"b was left alone for 60.0 s, once because it does not answer",
	}, p.lines())
	say("a", 11*time.Second, 20*time.Second, "it is still busy")
	p.ended(now.Add(13 * time.Second))
	require.Equal(t, []string{
		"a was left alone for 13.0 s, 2 times, the last time because it is still busy",
		"b was left alone for 10.0 s, once because it does not answer",
	}, p.lines())
}

func TestWorkerSaysWhyAHostIsLeftAlone(t *testing.T) {
	require.Equal(t, "busy", newPatience(time.Minute).refused("h", time.Second, errors.New("busy")).Why)
}
