package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A repository is a clone of berth's that commands run in.
type repository struct {
	dir string
	out io.Writer
}

// openRepository finds the repository that a folder is in.
func openRepository(dir string, out io.Writer) (repository, error) {
	top, err := (repository{dir: dir}).git("rev-parse", "--show-toplevel")
	if err != nil {
		return repository{}, err
	}
	return repository{dir: filepath.FromSlash(top), out: out}, nil
}

// say tells the user.
func (r repository) say(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

func (r repository) path(elements ...string) string {
	return filepath.Join(append([]string{r.dir}, elements...)...)
}

// git returns what a git command prints, without the space around it.
func (r repository) git(args ...string) (string, error) { return r.command(nil, "git", args...) }

// command returns what a command prints. The environment is the user's with more.
func (r repository) command(environment []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(bytes.TrimSpace(stdout)), nil
}

// lines splits what a command prints; of nothing there are no lines.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == '\n' })
}
