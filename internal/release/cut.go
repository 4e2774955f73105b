package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A plan is a release that may be made.
type plan struct {
	version   version
	modules   []module // all of the workspace, each behind those that it requires
	changelog string   // as it will be
}

// cut makes a release, up to what is to be pushed.
func (r repository) cut(v version, day time.Time, checked bool) error {
	p, err := r.plan(v, day)
	if err != nil {
		return err
	}
	if !checked {
		if p, err = r.check(p, day); err != nil {
			return err
		}
	}
	if err := r.change(p); err != nil {
		return fmt.Errorf("%w\nnothing is committed: git restore . takes the changes back", err)
	}
	if _, err := r.git("commit", "--all", "--message", "Release "+v.String()); err != nil {
		return err
	}
	return r.tag(p)
}

// plan returns the release, or all that is in its way.
func (r repository) plan(v version, day time.Time) (plan, error) {
	modules, err := r.modules()
	if err != nil {
		return plan{}, err
	}
	p := plan{version: v, modules: modules}
	text, err := os.ReadFile(r.path("CHANGELOG.md"))
	if err != nil {
		return plan{}, err
	}
	var wrong error
	p.changelog, wrong = dated(string(text), v, day)
	return p, errors.Join(r.onMain(), r.clean(), r.isNext(p), wrong)
}

func (r repository) onMain() error {
	branch, err := r.git("rev-parse", "--abbrev-ref", "HEAD")
	if err == nil && branch != "main" {
		return fmt.Errorf("this is branch %s: releases are made of main", branch)
	}
	return err
}

func (r repository) clean() error {
	changes, err := r.git("status", "--porcelain")
	if err == nil && changes != "" {
		return fmt.Errorf("the tree has changes that are not committed:\n%s", changes)
	}
	return err
}

// isNext reports whether the version is beyond the last one and none of its tags exists.
func (r repository) isNext(p plan) error {
	tags, err := r.git("tag", "--list")
	if err != nil {
		return err
	}
	if last, found := latest(lines(tags)); found && p.version.compare(last) <= 0 {
		return fmt.Errorf("%s is not beyond the last release, %s", p.version, last)
	}
	for _, tag := range lines(tags) {
		for _, m := range p.modules {
			if tag == m.tag(p.version) {
				return fmt.Errorf("there is a tag %s: a version that anybody may have seen is not used again", tag)
			}
		}
	}
	return nil
}

// check runs .ci/run, and plans again: half an hour has gone by, in which somebody may
// have committed what was not tested.
func (r repository) check(p plan, day time.Time) (plan, error) {
	before, err := r.git("rev-parse", "HEAD")
	if err != nil {
		return plan{}, err
	}
	ci := exec.Command(r.path(".ci", "run"))
	ci.Dir, ci.Stdout, ci.Stderr = r.dir, r.out, r.out
	if err := ci.Run(); err != nil {
		return plan{}, fmt.Errorf(".ci/run: %w", err)
	}
	after, err := r.git("rev-parse", "HEAD")
	if err == nil && after != before {
		return plan{}, fmt.Errorf("HEAD was %.12s when .ci/run began, and is %.12s now: start again", before, after)
	}
	if err != nil {
		return plan{}, err
	}
	return r.plan(p.version, day)
}

// change writes what the release commit has. The unpublished modules take part, so that
// go.work needs to know one version of each module.
func (r repository) change(p plan) error {
	for _, m := range p.modules {
		if len(m.requires) == 0 {
			continue
		}
		args := []string{"mod", "edit"}
		for _, path := range m.requires {
			args = append(args, "-require="+path+"@"+p.version.String())
		}
		if _, err := r.command(nil, "go", append(args, r.path(m.dir, "go.mod"))...); err != nil {
			return err
		}
	}
	if err := r.changeWorkspace(p); err != nil {
		return err
	}
	if err := os.WriteFile(r.path("CHANGELOG.md"), []byte(p.changelog), 0o644); err != nil {
		return err
	}
	_, err := r.command([]string{"GOWORK=" + r.path("go.work")}, "go", "list", "work")
	return err
}

// changeWorkspace has the go command look for the new versions in the folders beside
// go.work: until they are published they are nowhere else.
func (r repository) changeWorkspace(p plan) error {
	var work struct {
		Replace []struct {
			Old struct{ Path, Version string }
		}
	}
	if err := r.read(&work, "work", "edit", "-json", r.path("go.work")); err != nil {
		return err
	}
	args := []string{"work", "edit"}
	for _, replaced := range work.Replace {
		if replaced.Old.Path == root || strings.HasPrefix(replaced.Old.Path, root+"/") {
			args = append(args, "-dropreplace="+replaced.Old.Path+"@"+replaced.Old.Version)
		}
	}
	for _, m := range p.modules {
		if m.published() {
			args = append(args, "-replace="+m.path+"@"+p.version.String()+"=./"+strings.TrimPrefix(m.dir, "."))
		}
	}
	_, err := r.command(nil, "go", append(args, r.path("go.work"))...)
	return err
}

// tag tags the release commit once for each module that is published, and says what is
// left to do. One push takes all: whoever asks in between would find a module whose
// requirements are not there yet.
func (r repository) tag(p plan) error {
	var tags []string
	for _, m := range p.modules {
		if !m.published() {
			continue
		}
		tag := m.tag(p.version)
		if _, err := r.git("tag", "--annotate", "--message", m.path+" "+p.version.String(), tag); err != nil {
			return err
		}
		tags = append(tags, tag)
	}
	r.say("Release %s is committed and tagged here. Publish it with\n\n  git push --atomic origin main %s\n\nand make its archives with\n\n  make binaries VERSION=%s",
		p.version, strings.Join(tags, " "), p.version)
	return nil
}
