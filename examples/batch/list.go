package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A file is a regular file of the input folder.
type file struct {
	path     string // below the input folder, with slashes
	size     int64
	modified time.Time
}

// output is the path of what is made of the file, below the output folder.
func (f file) output() string { return f.path + ".gz" }

// list returns the regular files below dir in the order of their names, without
// those below the folder except. What cannot be read is in the errors, and the
// list goes on without it.
func list(dir, except string) (files []file, unread []error) {
	// The function returns no error but SkipDir, so neither does WalkDir.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			unread = append(unread, err)
			return nil
		}
		if d.IsDir() && same(path, except) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := describe(dir, path, d)
		switch {
		case err == nil:
			files = append(files, f)
		case !errors.Is(err, fs.ErrNotExist): // else it was deleted since
			unread = append(unread, err)
		}
		return nil
	})
	return files, unread
}

func describe(dir, path string, d fs.DirEntry) (file, error) {
	info, err := d.Info()
	if err != nil {
		return file{}, err
	}
	below, err := filepath.Rel(dir, path)
	if err != nil {
		return file{}, err
	}
	if strings.ContainsAny(below, "\r\n") {
		return file{}, &fs.PathError{Op: "list", Path: path, Err: errors.New("a line break in a name cannot be recorded")}
	}
	return file{filepath.ToSlash(below), info.Size(), info.ModTime()}, nil
}

// same reports whether two paths are the same folder, under whatever names.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// missing returns the files that have no output yet: none that is recorded, is
// there, and was made of the file as it is now.
func missing(files []file, out string, done *manifest) (todo []file) {
	for _, f := range files {
		info, err := os.Stat(filepath.Join(out, filepath.FromSlash(f.output())))
		if err != nil || !info.ModTime().Equal(f.modified) || !done.has(f.output()) {
			todo = append(todo, f)
		}
	}
	return todo
}
