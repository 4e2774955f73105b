package version

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProgramOfThisRepositoryHasItsOwnVersion(t *testing.T) {
	for _, path := range []string{module, module + "/cmd/berth"} {
		info := &debug.BuildInfo{
			Main: debug.Module{Path: path, Version: "v0.3.0"},
			Deps: []*debug.Module{{Path: module, Version: "v0.2.0"}},
		}
		require.Equal(t, "v0.3.0", of(info))
		info.Main.Version = ""
		require.Equal(t, Development, of(info), "without a version of its own, it is no release")
	}
}

func TestAnotherProgramHasTheVersionOfTheRootModuleInIt(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Path: "example.com/shop", Version: "v9.0.0"},
		Deps: []*debug.Module{
			{Path: module + "/engines/redis", Version: "v0.1.0"},
			{Path: module, Version: "v0.2.0"},
			{Path: module + "sh", Version: "v7.0.0"},
		},
	}
	require.Equal(t, "v0.2.0", of(info))
	info.Deps[1].Replace = &debug.Module{Path: "../berth"}
	require.Equal(t, Development, of(info), "a folder may hold anything")
	info.Deps = nil
	require.Equal(t, Development, of(info))
}

func TestTheCommitIsThatOfAProgramOfThisRepository(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}}
	require.Equal(t, "abc", revisionOf(&debug.BuildInfo{Main: debug.Module{Path: module}, Settings: settings}))
	require.Empty(t, revisionOf(&debug.BuildInfo{Main: debug.Module{Path: "example.com/shop"}, Settings: settings}))
	require.Empty(t, revisionOf(&debug.BuildInfo{Main: debug.Module{Path: module}}))
}

func TestTestsAreNoRelease(t *testing.T) {
	require.Equal(t, Development, String())
}
