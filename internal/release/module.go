package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

const root = "github.com/berth-go/berth"

// unpublished lists the folders of the modules that are run in a clone and never
// installed or imported: they get no tags.
var unpublished = []string{"benchmarks", "dashboard/browsertest", "examples"}

// A module is one of this repository.
type module struct {
	path     string
	dir      string   // in the repository, with slashes; "." for the root module
	requires []string // the paths of our modules that it requires
}

// tag returns what git calls a version of the module.
func (m module) tag(v version) string {
	if m.dir == "." {
		return v.String()
	}
	return m.dir + "/" + v.String()
}

func (m module) published() bool { return !slices.Contains(unpublished, m.dir) }

// modules reads the modules of the workspace, each behind those that it requires.
func (r repository) modules() ([]module, error) {
	var work struct{ Use []struct{ DiskPath string } }
	if err := r.read(&work, "work", "edit", "-json", r.path("go.work")); err != nil {
		return nil, err
	}
	all := map[string]module{}
	for _, use := range work.Use {
		m, err := r.module(path.Clean(strings.ReplaceAll(use.DiskPath, `\`, "/")))
		if err != nil {
			return nil, err
		}
		all[m.path] = m
	}
	return inOrder(all)
}

func (r repository) module(dir string) (module, error) {
	var file struct {
		Module  struct{ Path string }
		Require []struct{ Path string }
	}
	if err := r.read(&file, "mod", "edit", "-json", r.path(dir, "go.mod")); err != nil {
		return module{}, err
	}
	m := module{path: file.Module.Path, dir: dir}
	for _, required := range file.Require {
		if required.Path == root || strings.HasPrefix(required.Path, root+"/") {
			m.requires = append(m.requires, required.Path)
		}
	}
	return m, nil
}

// read decodes what a go command prints.
func (r repository) read(into any, args ...string) error {
	text, err := r.command(nil, "go", args...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// inOrder sorts modules so that each comes behind those that it requires. The go
// command allows modules to require each other in a circle; a release does not, since
// none of them could be published first.
func inOrder(all map[string]module) (sorted []module, err error) {
	for waiting := slices.Sorted(maps.Keys(all)); len(waiting) > 0; {
		ready := slices.IndexFunc(waiting, func(path string) bool { return !requiresOneOf(all[path], waiting) })
		if ready < 0 {
			return nil, fmt.Errorf("these modules require each other in a circle: %s", strings.Join(waiting, ", "))
		}
		m := all[waiting[ready]]
		for _, path := range m.requires {
			if other, ok := all[path]; !ok || m.published() && !other.published() {
				return nil, fmt.Errorf("%s requires %s, which is not published", m.path, path)
			}
		}
		sorted = append(sorted, m)
		waiting = slices.Delete(waiting, ready, ready+1)
	}
	return sorted, nil
}

func requiresOneOf(m module, paths []string) bool {
	return slices.ContainsFunc(m.requires, func(path string) bool { return slices.Contains(paths, path) })
}
