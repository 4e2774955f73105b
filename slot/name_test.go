package slot

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNameOfAProcessIsANameWhateverItsHostIsCalled(t *testing.T) {
	require.NoError(t, CheckName(DefaultName()))
	for host, want := range map[string]string{
		"web3":                    "web3:4711",
		"a b\nc":                  "a_b_c:4711",
		"b\xffd":                  "b_d:4711",
		strings.Repeat("h", 100):  strings.Repeat("h", MaxName-5) + ":4711",
		strings.Repeat("hé", 100): strings.Repeat("hé", 19) + "h:4711", // not half of a letter
	} {
		name := processName(host, 4711)
		require.Equal(t, want, name)
		require.NoError(t, CheckName(name))
	}
}

func TestANameIsShortAndPrintable(t *testing.T) {
	for _, bad := range []string{"", strings.Repeat("x", MaxName+1), "a b", "a\n", "a\x00", "\xff", "\u00a0", "\u200b"} {
		require.Error(t, CheckName(bad), "%q", bad)
	}
	require.NoError(t, CheckName(strings.Repeat("x", MaxName)))
	require.NoError(t, CheckName("Zürich/7"))
}
