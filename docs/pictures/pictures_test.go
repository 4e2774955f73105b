package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/svg"
)

func TestTheFilesShowTheDiagrams(t *testing.T) {
	for name, d := range diagrams() {
		for _, theme := range svg.Themes {
			file := name + theme.Suffix + ".svg"
			committed, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(d.draw().SVG(theme)), string(committed), "%s: run go run ./docs/pictures", file)
		}
	}
}

func TestNoFileIsLeftOfADiagramThatIsGone(t *testing.T) {
	files, err := filepath.Glob("*.svg")
	require.NoError(t, err)
	require.Len(t, files, len(svg.Themes)*len(diagrams()))
}

func TestWriteWritesEachDiagramOnceForEachTheme(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, write(dir))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, len(svg.Themes)*len(diagrams()))
	require.Error(t, write(filepath.Join(dir, "nowhere")))
}

// What a bar says has to fit into it where the font is a wide one.
func TestTheTextOfABarFitsIntoIt(t *testing.T) {
	for name, d := range diagrams() {
		line, ok := d.(timeline)
		if !ok {
			continue
		}
		for _, l := range line.lanes {
			require.LessOrEqual(t, svg.Width(l.name, fontSize), float64(names), "%s: %s", name, l.name)
			for _, b := range l.bars {
				room := line.x(b.to) - line.x(b.from) - 11
				require.LessOrEqual(t, svg.Width(strings.TrimSpace(b.text), fontSize-1), max(room, 0), "%s: %s", name, b.text)
			}
		}
	}
}

func TestAMessageFitsBetweenItsActors(t *testing.T) {
	for name, d := range diagrams() {
		s, ok := d.(sequence)
		if !ok {
			continue
		}
		for _, st := range s.steps {
			if st.from != st.to {
				room := s.x(max(st.from, st.to)) - s.x(min(st.from, st.to)) - 20
				require.LessOrEqual(t, svg.Width(st.text, fontSize), room, "%s: %s", name, st.text)
			}
		}
	}
}
