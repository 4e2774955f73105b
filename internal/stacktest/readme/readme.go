// Package readme runs the program that the README shows, on any engine: the lines that
// are an engine's are replaced, and nothing else.
package readme

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Output is what the program prints on each engine.
const Output = "this runs under a slot; ctx ends if it is lost\nresult: <nil>\nshutdown: <nil>\n"

// An Engine is what a program says of the one that it uses.
type Engine struct {
	Imports []string // as in Go, in quotes and perhaps with a name
	Client  string   // what is there before the source; os.Args[1] is the server's address
	Source  string   // the call that makes one, and an error
}

// The lines of the README's program that are dflockd's.
var (
	imports = regexp.MustCompile(`\t"github\.com/berth-go/berth/dflockd(/server)?"\n`)
	server  = regexp.MustCompile(`(?s)\t// A lock server of our own\..*?defer srv\.Close\(\)\n\n`)
	source  = regexp.MustCompile(`dflockd\.NewSource\(.*\)\n`)
)

// Program returns the program of a README, on dflockd as it is there.
func Program(readme string) (string, error) {
	block := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(readme)
	if block == nil {
		return "", fmt.Errorf("the README shows no program")
	}
	return block[1], nil
}

// On returns the program on another engine.
func On(program string, e Engine) (string, error) {
	for what, lines := range map[string]*regexp.Regexp{"import dflockd": imports, "start a server": server, "make the source": source} {
		if !lines.MatchString(program) {
			return "", fmt.Errorf("the README's program does not %s as this test expects", what)
		}
	}
	program = imports.ReplaceAllLiteralString(program, "")
	program = server.ReplaceAllLiteralString(program, e.Client)
	program = source.ReplaceAllLiteralString(program, e.Source+"\n")
	all := slices.Concat([]string{"import ("}, e.Imports)
	return strings.Replace(program, "import (", strings.Join(all, "\n\t"), 1), nil
}

// Build compiles a program and returns its path. The module that the test is of has to
// have what it imports.
func Build(t testing.TB, program string) string {
	t.Helper()
	dir := t.TempDir()
	file, path := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", path, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\nof\n%s", err, out, program)
	}
	return path
}

// Run runs a program that Build has compiled, and fails the test unless it prints what
// it should.
func Run(t testing.TB, path string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || string(out) != Output {
		t.Fatalf("%v: it printed %q %q", err, out, said.String())
	}
}

// BuildOn compiles the README's program on another engine. root is the folder of the
// README.
func BuildOn(t testing.TB, root string, e Engine) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := Program(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if program, err = On(program, e); err != nil {
		t.Fatal(err)
	}
	return Build(t, program)
}
