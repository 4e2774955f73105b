package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var today = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

func TestWhatIsUnreleasedGetsAVersionAndADate(t *testing.T) {
	got, err := dated("# Changelog\n\nText.\n\n## [Unreleased]\n\n### Added\n- New.\n\n## [0.1.0] - 2026-01-01\n- Old.\n", version{0, 2, 0}, today)
	require.NoError(t, err)
	require.Equal(t, "# Changelog\n\nText.\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-26\n\n### Added\n- New.\n\n## [0.1.0] - 2026-01-01\n- Old.\n", got)
	_, err = dated(got, version{0, 3, 0}, today)
	require.ErrorContains(t, err, "nothing under Unreleased", "what is released is not released again")
	_, err = dated(got+"\n## [Unreleased]\n- x\n", version{0, 2, 0}, today)
	require.Error(t, err)
}

func TestAChangelogThatSaysNothingMakesNoRelease(t *testing.T) {
	for text, want := range map[string]string{
		"# Changelog\n": "no line",
		"# Changelog\n\n## [Unreleased]\n\n### Added\n":                                "nothing under Unreleased",
		"# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [0.2.0] - 2026-01-01\n\n- x\n": "0.2.0 already",
	} {
		_, err := dated(text, version{0, 2, 0}, today)
		require.ErrorContains(t, err, want, text)
	}
}
