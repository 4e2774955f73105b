package mutation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A broken is a rule of the shipped code, how to break it, and the test that
// must notice.
type broken struct {
	rule string // what is broken, in words
	file string // from the module's root
	old  string // occurs in file exactly once
	new  string
	test string // package folder and name, such as pool.TestX
}

// rules are the rules that matter most, each with the test that holds it. The
// folder of the test is that of its package.
var rules = slices.Concat(generalRules, conformRules, poolRules, redisRules, paceRules)

// named returns the folder and the name of the test.
func (b broken) named() (folder, test string) {
	folder, test, _ = strings.Cut(b.test, ".")
	return folder, test
}

// overlay writes the broken file and the overlay that puts it in its place into
// dir, and returns the overlay's name.
func (b broken) overlay(dir string) (string, error) {
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(b.file)))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("the rule %q: %w", b.rule, err)
	}
	text, err = b.replace(text)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, path.Base(b.file))
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: copied}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, overlay, 0o600)
}

// replace breaks the rule in the text of its file.
func (b broken) replace(text []byte) ([]byte, error) {
	if n := bytes.Count(text, []byte(b.old)); n != 1 {
		return nil, fmt.Errorf("the rule %q: its text is %d times in %s, and must be there once; the code has changed, so change the rule:\n%s",
			b.rule, n, b.file, b.old)
	}
	return bytes.Replace(text, []byte(b.old), []byte(b.new), 1), nil
}
