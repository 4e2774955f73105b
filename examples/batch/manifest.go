package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifestName is the file of checksums in the output folder. Its lines are
// those of the sha256sum command, which can check them:
//
//	cd OUT && sha256sum --check --quiet SHA256SUMS
const manifestName = "SHA256SUMS"

// A manifest is the record of what is done: an output is, once its line is
// there. Lines are appended as results come in, so that a run that was cut off
// at any point leaves a record of what it had finished.
type manifest struct {
	path string
	sums map[string]string // by name of the output
	f    *os.File          // nil before begin
}

// readManifest reads the record in the folder out.
func readManifest(out string) (*manifest, error) {
	m := &manifest{path: filepath.Join(out, manifestName), sums: map[string]string{}}
	f, err := os.Open(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return m, nil // a last line without its end was cut off, and is none
		}
		if sum, name, ok := strings.Cut(line[:len(line)-1], "  "); ok {
			m.sums[name] = sum
		}
	}
}

// has reports whether an output is recorded.
func (m *manifest) has(name string) bool { return m.sums[name] != "" }

// begin takes the outputs that will be made anew out of the record, and opens
// it for theirs.
func (m *manifest) begin(anew []file) error {
	for _, f := range anew {
		delete(m.sums, f.output())
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.sums)) {
		text.WriteString(line(name, m.sums[name]))
	}
	if err := os.WriteFile(m.path+partial, []byte(text.String()), 0o644); err != nil {
		return err
	}
	if err := os.Rename(m.path+partial, m.path); err != nil {
		return err
	}
	var err error
	m.f, err = os.OpenFile(m.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// add records an output.
func (m *manifest) add(name, sum string) error {
	_, err := m.f.WriteString(line(name, sum))
	return err
}

func (m *manifest) close() error { return m.f.Close() }

func line(name, sum string) string { return fmt.Sprintf("%s  %s\n", sum, name) }
