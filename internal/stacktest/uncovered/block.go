package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A block is a run of statements that are executed together, and never were.
type block struct {
	file     string // from the root of the repository
	line     int
	function string
	quote    string // its first line that says something
}

// uncovered returns the blocks of a profile that no test executed. Each line but the
// first one is about a block: its file, where it is, how many statements it has, and
// how often it was executed by one of the programs that were tested.
func uncovered(root, profile string) ([]block, error) {
	times := map[string]int{}
	for line := range strings.Lines(profile) {
		var statements, n int
		at, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Sscan(rest, &statements, &n); err != nil || !strings.HasPrefix(at, module) || statements == 0 {
			continue
		}
		times[strings.TrimPrefix(at, module)] += n
	}
	var found []block
	for at, n := range times {
		if n > 0 {
			continue
		}
		b, err := find(root, at)
		if err != nil {
			return nil, err
		}
		found = append(found, b)
	}
	slices.SortFunc(found, func(a, b block) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	return found, nil
}

// find reads a block in its file: dflockd/beat.go:107.40,110.3 is from line 107 on, where
// its brace opens.
func find(root, at string) (block, error) {
	file, where, ok := strings.Cut(at, ":")
	var first, column, last int
	if _, err := fmt.Sscanf(where, "%d.%d,%d", &first, &column, &last); err != nil || !ok {
		return block{}, fmt.Errorf("%q is no place of a block", at)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		return block{}, err
	}
	lines := strings.Split(string(text), "\n")
	if last > len(lines) {
		return block{}, fmt.Errorf("%s has no line %d: the profile is of another version", file, last)
	}
	b := block{file: file, line: first, function: function(file, text, first)}
	for i := first; i <= last && b.quote == ""; i++ {
		code := lines[i-1]
		if i == first {
			code = code[min(column-1, len(code)):]
		}
		if code = strings.Trim(code, "{} \t"); code != "" && !strings.HasPrefix(code, "//") {
			b.line, b.quote = i, code
		}
	}
	return b, nil
}

// function returns the name of the function, or of the variable, that a line is in.
func function(name string, text []byte, line int) string {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		return "?"
	}
	for _, d := range file.Decls {
		if set.Position(d.Pos()).Line > line || line > set.Position(d.End()).Line {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			return d.Name.Name
		case *ast.GenDecl:
			if v, ok := d.Specs[0].(*ast.ValueSpec); ok {
				return v.Names[0].Name
			}
		}
	}
	return "?"
}
