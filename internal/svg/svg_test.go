package svg

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// drawing has one of everything.
func drawing() *Drawing {
	d := New(100, 50.25, "A & B")
	d.Rect(1, 2, 3, 4, Ours)
	d.Box(1, 2, 3, 4, None, Grid)
	d.Circle(5, 6, 7, Bad)
	d.Line(0, 0, 10, 0, Stroke{Color: Ink, Arrow: true})
	d.Curve([][2]float64{{0, 0}, {1.26, 2}, {3, 4}}, Stroke{Color: Third, Width: 2, Dashed: true})
	d.Text(10, 20, `100 % of <"x">`, Font{Size: 12, Color: Faint, Anchor: Right, Bold: true})
	return d
}

func TestADrawingIsWellFormedInEachTheme(t *testing.T) {
	for _, theme := range Themes {
		text := drawing().SVG(theme)
		require.NotContains(t, string(text), "%!", "a format was given too little or too much")
		elements, words := parsed(t, text)
		require.Equal(t, []string{"svg", "title", "rect", "rect", "rect", "circle", "path", "path", "path", "text"}, elements)
		require.Equal(t, []string{"A & B", `100 % of <"x">`}, words)
	}
}

func TestEachColourOfAThemeIsGivenAndDiffersFromItsPaper(t *testing.T) {
	for _, theme := range Themes {
		for c := Paper; c < colors; c++ {
			require.Regexp(t, "^#[0-9a-f]{6}$", theme.value(c), "colour %d of the theme %q", c, theme.Suffix)
			if c != Paper {
				require.NotEqual(t, theme.value(Paper), theme.value(c))
			}
		}
	}
	require.NotEqual(t, drawing().SVG(Light), drawing().SVG(Dark))
}

func TestNoFontIsEmbeddedAndNothingIsFetched(t *testing.T) {
	text := string(drawing().SVG(Light))
	require.NotContains(t, text, "font-face")
	require.NotContains(t, text, "url(")
	require.NotContains(t, text, "href")
}

func TestPictureNamesTheFilesThatAreWritten(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a")
	require.NoError(t, drawing().WriteFiles(base))
	for _, name := range []string{"a.svg", "a-dark.svg"} {
		_, err := os.Stat(filepath.Join(filepath.Dir(base), name))
		require.NoError(t, err)
		require.Contains(t, Picture("a", `"quoted"`), `"`+name+`"`)
	}
	require.Contains(t, Picture("a", `"quoted"`), "&#34;quoted&#34;")
	require.Error(t, drawing().WriteFiles(filepath.Join(base, "no", "folder")))
}

// parsed returns the elements of a document and its words.
func parsed(t *testing.T, text []byte) (elements, words []string) {
	t.Helper()
	in := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return elements, words
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			elements = append(elements, token.Name.Local)
		case xml.CharData:
			if word := string(bytes.TrimSpace(token)); word != "" {
				words = append(words, word)
			}
		}
	}
}
