// Package version says which version of berth this program was built with: the one
// place that does. The answer is the go command's, which notes the version of each
// module in what it builds, so no source file has a number that a release would have
// to change. The modules of this repository are released together, with one version.
package version

import (
	"runtime/debug"
	"strings"
)

// Development is the version of what was not built from a release.
const Development = "(devel)"

const module = "github.com/berth-go/berth"

// String returns the version of berth, such as v0.1.0, or Development.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Development
	}
	return of(info)
}

// Revision returns the commit that a program of this repository was built from, where
// the go command noted one, and "" otherwise.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return revisionOf(info)
}

// of returns the version of the program if it is one of this repository, else that of
// the root module in it.
func of(info *debug.BuildInfo) string {
	if ours(info.Main.Path) {
		return orDevelopment(info.Main.Version)
	}
	for _, m := range info.Deps {
		if m.Path == module && m.Replace == nil {
			return orDevelopment(m.Version)
		}
	}
	return Development
}

func revisionOf(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && ours(info.Main.Path) {
			return s.Value
		}
	}
	return ""
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func orDevelopment(version string) string {
	if version == "" {
		return Development
	}
	return version
}
