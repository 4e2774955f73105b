package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// published returns an environment in which the go command finds this repository's
// modules in the tags of this clone, as if they had been pushed: git is told that the
// repository is here, and the go command that no proxy and no checksum database knows
// it. What it builds is what anybody will build once the tags are pushed.
//
// Nothing of that gets into the user's module cache, where a tag that is made again
// would be a checksum that does not match. What others publish is taken from there.
func (r repository) published(scratch string) ([]string, error) {
	var user struct{ GOMODCACHE, GOPROXY, GOSUMDB, GOTOOLCHAIN string }
	if err := r.read(&user, "env", "-json", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"); err != nil {
		return nil, err
	}
	config := filepath.Join(scratch, "gitconfig")
	text := fmt.Sprintf("[url %q]\n\tinsteadOf = https://%s\n[safe]\n\tdirectory = *\n", fileURL(r.dir), root)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"GIT_CONFIG_GLOBAL=" + config,
		"GOENV=off", "GOWORK=off", "GOFLAGS=-modcacherw", "GOBIN=", "CGO_ENABLED=0",
		"GOPATH=" + filepath.Join(scratch, "go"), "GOMODCACHE=" + filepath.Join(scratch, "modules"),
		"GOPRIVATE=" + root + "," + root + "/*", "GONOPROXY=", "GONOSUMDB=",
		"GOPROXY=" + fileURL(filepath.Join(user.GOMODCACHE, "cache", "download")) + "," + user.GOPROXY,
		"GOSUMDB=" + user.GOSUMDB, "GOTOOLCHAIN=" + user.GOTOOLCHAIN,
	}, nil
}

func fileURL(path string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(path), "/")
}
