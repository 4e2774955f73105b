package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/slot"
)

// manyKeys is a screen with more keys than fit, and more holders.
func manyKeys(width, height int) *screenModel {
	m := &screenModel{url: "dflockd://h", width: width, height: height, now: time.Now}
	l := look{At: time.Now(), State: &slot.State{Name: "key-099", Held: 40}}
	for i := range 100 {
		l.Keys = append(l.Keys, engine.Key{Key: fmt.Sprintf("key-%03d-%s", i, strings.Repeat("x", i)), Held: 1, Limit: 2, Waiting: i})
	}
	for range 40 {
		l.State.Holders = append(l.State.Holders, slot.Holder{Name: strings.Repeat("name", 20), ID: "0123456789abcdef", Since: time.Now()})
	}
	l.Keys = busiest(l.Keys, "")
	m.look = l
	return m
}

func TestTheScreenFitsWhateverItsSize(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 10}, {200, 60}, {10, 3}, {1, 1}, {0, 0}} {
		m := manyKeys(size[0], size[1])
		for _, key := range []string{"", "down", "down", "up", "up", "up"} {
			m.pressed(key)
			lines := m.lines()
			require.LessOrEqual(t, len(lines), size[1])
			for _, line := range lines {
				require.LessOrEqual(t, len([]rune(line)), size[0])
			}
		}
	}
}

func TestTheChosenKeyStaysChosenWhereverItMoves(t *testing.T) {
	m := manyKeys(80, 24)
	require.Equal(t, 0, m.cursor())
	for range 120 {
		m.pressed("down")
	}
	require.Equal(t, 99, m.cursor())
	require.Contains(t, strings.Join(m.lines(), "\n"), "> key-000")
	l := m.look
	l.Keys = append([]engine.Key{l.Keys[99]}, l.Keys[:99]...)
	_, cmd := m.Update(l)
	require.Nil(t, cmd)
	require.Equal(t, 0, m.cursor())
	require.Contains(t, m.lines()[2], "> key-000")
}

func TestTheScreenSaysWhatIsWrong(t *testing.T) {
	m := manyKeys(80, 24)
	m.look.Err = errors.New("nobody answers")
	require.Equal(t, "error: nobody answers", m.lines()[0])
	require.Contains(t, strings.Join(m.lines(), "\n"), "key-", "what is known is shown")
	require.IsType(t, tea.QuitMsg{}, m.pressed("q")())
}

func TestTopPrintsLinesWhereThereIsNoTerminal(t *testing.T) {
	s := startServer(t)
	t.Setenv("BERTH_ENGINE", urlOf(s))
	hold(t, s.Addr().String(), "build-a")
	hold(t, s.Addr().String(), "report")
	status, out, errs := said(t, "top", "--count", "2", "--interval", "100ms", "build")
	require.Zero(t, status, errs)
	require.Equal(t, 2, strings.Count(out, " build-a held=1 limit=1 waiting=0 server="))
	require.NotContains(t, out, "report")
	require.NotContains(t, out, "\x1b")
	_, out, _ = said(t, "top", "--count", "1", "--json")
	var r struct{ Keys []engine.Key }
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Len(t, r.Keys, 2)
	status, out, errs = said(t, "top", "--count", "1", "--engine", "dflockd://127.0.0.1:1")
	require.Equal(t, statusNoEngine, status)
	require.Contains(t, out, "error: ")
	require.Contains(t, errs, "nothing listens there")
	status, _, _ = said(t, "top", "--interval", "1ms")
	require.Equal(t, statusMisused, status)
}
