package dflockd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// This file plays what the official TypeScript client was recorded to do. See
// testdata/typescript/scenarios.txt for the format.

// A scene is a scenario: a row of the table in the package documentation, and steps.
type scene struct {
	row, title string
	steps      []sceneStep
}

// A sceneStep is what is done, what came of it there, and what is to come of it here:
// on the original server, and on ours.
type sceneStep struct{ does, there, here, ours, why string }

// want returns what is to come of the step on the server of to.
func (s sceneStep) want(to *target) string {
	if to.original {
		return s.here
	}
	return s.ours
}

func readScenes(t *testing.T) []scene {
	t.Helper()
	text, err := os.ReadFile("testdata/typescript/scenarios.txt")
	require.NoError(t, err)
	var scenes []scene
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "== "):
			row, title, ok := strings.Cut(line[3:], ": ")
			require.True(t, ok, line)
			scenes = append(scenes, scene{row: row, title: title})
		case line[0] == '!':
			steps := scenes[len(scenes)-1].steps
			steps[len(steps)-1].why = line
		default:
			cells := strings.Split(line, "|")
			require.Contains(t, []int{3, 4}, len(cells), line)
			for i, c := range cells {
				cells[i] = strings.TrimSpace(c)
			}
			s := sceneStep{does: cells[0], there: cells[1], here: cells[2]}
			s.here = cmp.Or(s.here, s.there)
			s.ours = s.here
			if len(cells) == 4 {
				s.ours = cells[3]
			}
			sc := &scenes[len(scenes)-1]
			sc.steps = append(sc.steps, s)
		}
	}
	return scenes
}

// Each row has scenarios, and each difference a reason.
func TestEachRowStandsBesideWhatTheTypeScriptClientDoes(t *testing.T) {
	seen := map[string]bool{}
	for _, sc := range readScenes(t) {
		require.Contains(t, rows, sc.row)
		seen[sc.row] = true
		for _, s := range sc.steps {
			require.NotEmpty(t, s.there, "%s: %s: it was not recorded", sc.title, s.does)
			require.Equal(t, s.here != s.there || s.ours != s.there, s.why != "", "%s: %s: a difference has a reason, and only a difference", sc.title, s.does)
		}
	}
	require.Len(t, seen, len(rows))
}

func TestScenariosOfTheTypeScriptClient(t *testing.T) {
	for _, sc := range readScenes(t) {
		t.Run(sc.row+"/"+sc.title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, sc, ours()) })
		})
	}
}

func TestScenariosOfTheTypeScriptClientAgainstTheOriginalServer(t *testing.T) {
	path := lockserver.Original(t)
	for _, sc := range readScenes(t) {
		t.Run(sc.row+"/"+sc.title, func(t *testing.T) {
			t.Parallel()
			play(t, sc, binary(path))
		})
	}
}

// A cast is the Semaphores of a scene that is under way.
type cast struct {
	t    *testing.T
	to   *target
	opts []Option
	made map[string]*Semaphore
	late map[string]chan string
	lost map[string]*atomic.Int32
}

func play(t *testing.T, sc scene, to *target) {
	c := &cast{t, to, to.start(t, settings{}), map[string]*Semaphore{}, map[string]chan string{}, map[string]*atomic.Int32{}}
	for _, s := range sc.steps {
		if want := s.want(to); want != "-" { // it follows what was refused
			require.Equal(t, want, c.step(strings.Fields(s.does)), s.does)
		}
	}
	for _, s := range c.made {
		require.NoError(t, s.Close())
	}
}

func (c *cast) step(words []string) string {
	name, verb, args := words[0], words[1], words[2:]
	switch {
	case name == "sleep":
		time.Sleep(time.Duration(number(verb) * float64(time.Second)))
		return "ok"
	case verb == "new":
		c.lost[name] = &atomic.Int32{}
		s, err := c.create(name, args)
		if err != nil {
			return "refused"
		}
		c.made[name] = s
		return "ok"
	case verb == "begin":
		late, s, lost := make(chan string, 1), c.made[name], c.lost[name]
		c.late[name] = late
		go func() { late <- c.act(s, lost, args[0], args[1:]) }()
		time.Sleep(100 * time.Millisecond)
		return "ok"
	case verb == "end":
		return <-c.late[name]
	default:
		return c.act(c.made[name], c.lost[name], verb, args)
	}
}

// number reads a number, or returns NaN.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// create makes a Semaphore with the options of a step.
func (c *cast) create(name string, args []string) (*Semaphore, error) {
	key, limit, opts := strings.Map(keyRune, c.t.Name()), 1, slices.Clone(c.opts)
	lost := c.lost[name]
	opts = append(opts, WithOnLost(func(string, string) { lost.Add(1) }))
	for _, arg := range args {
		option, v, _ := strings.Cut(arg, "=")
		v = strings.NewReplacer(`""`, "", `\n`, "\n", `\s`, " ").Replace(v)
		switch option {
		case "key":
			key = v
		case "limit":
			limit = int(number(v))
		case "timeout":
			opts = append(opts, WithAcquireTimeout(seconds(v)))
		case "lease":
			opts = append(opts, WithLease(seconds(v)))
		case "ratio":
			opts = append(opts, WithRenewRatio(number(v)))
		case "servers":
			opts = append(opts, WithServers(servers(v)...))
			if v == "127.0.0.1:1" {
				opts = append(opts, WithDialer(newDialer().DialContext))
			}
		case "shard":
			opts = append(opts, WithSharding(func(string, int) int { return int(number(v)) }))
		case "host": // that of the server, which the options have
		case "auth":
			opts = append(opts, WithAuth(v))
		case "tls":
			opts = append(opts, WithTLS(&tls.Config{}))
		case "connect":
			opts = append(opts, WithConnectTimeout(seconds(v)/1000))
		case "socket":
			opts = append(opts, WithSocketTimeout(seconds(v)/1000))
		default:
			require.Fail(c.t, "no such option", arg)
		}
	}
	return NewSemaphore(key, limit, opts...)
}

func keyRune(r rune) rune {
	if r == ' ' {
		return '_'
	}
	return r
}

func seconds(text string) time.Duration { return time.Duration(number(text) * float64(time.Second)) }

// servers reads a list; "here" is an address, whichever.
func servers(list string) (all []string) {
	for _, s := range strings.Split(list, ",") {
		switch s {
		case "none":
		case "here":
			all = append(all, fmt.Sprintf("127.0.0.1:%d", 6388+len(all)))
		default:
			all = append(all, s)
		}
	}
	return all
}

// act calls a method and returns in a word what came of it.
func (c *cast) act(s *Semaphore, lost *atomic.Int32, verb string, args []string) string {
	ctx := c.t.Context()
	var force []OpenOption
	if slices.Contains(args, "force") {
		force = append(force, Force())
	}
	switch verb {
	case "acquire":
		ok, err := s.Acquire(ctx, force...)
		return outcomeWord(ok, err)
	case "enqueue":
		status, err := s.Enqueue(ctx, force...)
		return outcomeWord(status, err)
	case "wait":
		timeout := s.cfg.acquireTimeout
		if len(args) > 0 {
			timeout = seconds(args[0])
		}
		ok, err := s.WaitFor(ctx, timeout)
		return outcomeWord(ok, err)
	case "release":
		return outcomeWord("ok", s.Release())
	case "close":
		return outcomeWord("ok", s.Close())
	case "token":
		if s.Token() != "" {
			return "set"
		}
		return "none"
	case "lease":
		return fmt.Sprint(s.Lease().Seconds())
	case "lost":
		return fmt.Sprint(lost.Load())
	case "steal":
		c.to.steal(c.t, s.Key(), s.Token())
		return "ok"
	case "run":
		return outcomeWord("ok", s.WithLock(ctx, func(context.Context) error { return c.run(s, args[0]) }))
	}
	require.Fail(c.t, "no such step", verb)
	return ""
}

// run is the function that is given to WithLock.
func (c *cast) run(s *Semaphore, what string) error {
	switch what {
	case "throw":
		return errOutcome
	case "release":
		return s.Release()
	case "steal-throw":
		c.to.steal(c.t, s.Key(), s.Token())
		return errOutcome
	}
	return nil
}

// outcomeWord says in a word what came of a call.
func outcomeWord(result any, err error) string {
	for _, e := range []struct {
		err  error
		word string
	}{
		{nil, fmt.Sprint(result)}, {errOutcome, "own"}, {ErrTimeout, "timeout"}, {ErrAuth, "auth"},
		{ErrAlreadyConnected, "already"}, {ErrClosed, "closed"}, {ErrLimitMismatch, "mismatch"}, {slot.ErrLost, "lost"},
	} {
		if errors.Is(err, e.err) {
			return e.word
		}
	}
	return "failed"
}
