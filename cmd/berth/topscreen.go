package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
)

// busiest returns the keys with that prefix, those that most wait for first.
func busiest(keys []engine.Key, prefix string) []engine.Key {
	keys = slices.DeleteFunc(keys, func(k engine.Key) bool { return !strings.HasPrefix(k.Key, prefix) })
	slices.SortFunc(keys, func(a, b engine.Key) int {
		if a.Waiting != b.Waiting {
			return b.Waiting - a.Waiting
		}
		if a.Held != b.Held {
			return b.Held - a.Held
		}
		return strings.Compare(a.Key, b.Key)
	})
	return keys
}

// nextLook says that it is time to look again.
type nextLook struct{}

// A screenModel is what top shows. It is pure but for the commands that it returns.
type screenModel struct {
	url           string
	width, height int
	look          look
	chosen        string // the key whose holders are shown; "": the first
	now           func() time.Time
	ask           func(chosen string) tea.Cmd
	later         tea.Cmd
}

func (m *screenModel) Init() tea.Cmd { return m.ask(m.chosen) }

func (m *screenModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case nextLook:
		return m, m.ask(m.chosen)
	case look:
		m.look = msg
		return m, m.later
	case tea.KeyPressMsg:
		return m, m.pressed(msg.String())
	}
	return m, nil
}

// pressed does what a key stands for.
func (m *screenModel) pressed(key string) tea.Cmd {
	switch key {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "up", "k":
		m.choose(-1)
	case "down", "j":
		m.choose(1)
	}
	return nil
}

// choose moves the choice.
func (m *screenModel) choose(by int) {
	if n := len(m.look.Keys); n > 0 {
		m.chosen = m.look.Keys[min(max(m.cursor()+by, 0), n-1)].Key
	}
}

// cursor returns where the chosen key is: its place changes from look to look.
func (m *screenModel) cursor() int {
	return max(0, slices.IndexFunc(m.look.Keys, func(k engine.Key) bool { return k.Key == m.chosen }))
}

func (m *screenModel) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	return v
}

// lines returns what fits the screen: a head, the keys around the chosen one, who
// holds that, and what the keyboard does.
func (m *screenModel) lines() []string {
	detail := m.detail()
	room := max(1, m.height-4-len(detail))
	all := []string{m.head(), fmt.Sprintf("  %-*s %6s %6s %8s", m.keyWidth(), "KEY", "HELD", "LIMIT", "WAITING")}
	first := max(0, min(m.cursor()-room/2, len(m.look.Keys)-room))
	for i := first; i < min(first+room, len(m.look.Keys)); i++ {
		k, mark := m.look.Keys[i], " "
		if i == m.cursor() {
			mark = ">"
		}
		all = append(all, fmt.Sprintf("%s %-*s %6d %6d %8d", mark, m.keyWidth(), cut(k.Key, m.keyWidth()), k.Held, k.Limit, k.Waiting))
	}
	all = append(all, detail...)
	all = append(all, "", "up and down: choose a key   q: end")
	if len(all) > m.height {
		all = all[:max(0, m.height)]
	}
	for i := range all {
		all[i] = cut(all[i], m.width)
	}
	return all
}

func (m *screenModel) keyWidth() int { return max(10, m.width-26) }

// head says what is looked at, and what is wrong.
func (m *screenModel) head() string {
	switch {
	case m.look.At.IsZero():
		return "berth top, " + m.url + ": asking"
	case m.look.Err != nil:
		return "error: " + strings.ReplaceAll(engine.Words(m.look.Err.Error()), "\n", "; ")
	}
	held, waiting := 0, 0
	for _, k := range m.look.Keys {
		held, waiting = held+k.Held, waiting+k.Waiting
	}
	return fmt.Sprintf("berth top, %s: %d keys, %d held, %d waiting", m.url, len(m.look.Keys), held, waiting)
}

// detail says who has the chosen key, in a third of the screen.
func (m *screenModel) detail() []string {
	s := m.look.State
	if s == nil {
		return nil
	}
	now := m.now()
	all := []string{"", s.Name + pausedFor(*s, now)}
	for _, h := range s.Holders {
		all = append(all, fmt.Sprintf("  holds  %s for %s, lease ends in %s, ID %s", known(h.Name), span(h.Since, now), span(now, h.Until), known(h.ID)))
	}
	for i, w := range s.Waiters {
		all = append(all, fmt.Sprintf("  %d in line  %s for %s", i+1, known(w.Name), span(w.Since, now)))
	}
	if most := max(3, m.height/3); len(all) > most {
		left := len(all) - most + 1
		all = append(all[:most-1], fmt.Sprintf("  and %d more: berth inspect %s", left, s.Name))
	}
	return all
}

// cut shortens a line to the width.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:max(0, width-1)]) + "…"
}
