package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var here = platform{runtime.GOOS, runtime.GOARCH}

// What is built here is what anybody builds from the same tag: it knows its version,
// and has the same bytes whenever and wherever it is made.
func TestAnArchiveIsTheSameWheneverItIsMade(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	t.Setenv("GOPROXY", "off") // there is nothing to fetch but what is tagged here
	r := repositoryOf(t, small)
	require.NoError(t, r.cut(version{0, 1, 0}, today, true))
	first, second := t.TempDir(), t.TempDir()
	require.NoError(t, r.build(version{0, 1, 0}, first, []platform{here}))
	write(t, r, "CHANGELOG.md", "Something else by now.\n")
	git(t, r, "commit", "--quiet", "--all", "--message=Later")
	require.NoError(t, r.build(version{0, 1, 0}, second, []platform{here}))

	name := "berth_0.1.0_" + here.os + "_" + here.arch + ".tar.gz"
	if here.os == "windows" {
		name = "berth_0.1.0_" + here.os + "_" + here.arch + ".zip"
	}
	data := content(t, first, name)
	require.Equal(t, data, content(t, second, name))
	require.Equal(t, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name), string(content(t, first, "SHA256SUMS")))
	requirePrograms(t, unpack(t, name, data), "v0.1.0")
}

func TestArchivesOfATagThatIsNotThereAreNotMade(t *testing.T) {
	r := repositoryOf(t, small)
	require.ErrorContains(t, r.build(version{0, 7, 0}, t.TempDir(), nil), "v0.7.0 is no tag here")
}

func TestBothKindsOfArchivesKeepNamesModesAndTheTimeOfTheRelease(t *testing.T) {
	when := time.Date(2026, 11, 26, 9, 8, 10, 0, time.UTC)
	files := []file{{"LICENSE", 0o644, []byte("MIT")}, {"berth", 0o755, []byte("program")}}
	packed, err := tarred(files, when)
	require.NoError(t, err)
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	require.True(t, zr.ModTime.IsZero())
	tr := tar.NewReader(zr)
	for _, f := range files {
		header, err := tr.Next()
		require.NoError(t, err)
		require.Equal(t, f.name, header.Name)
		require.Equal(t, f.mode, header.FileInfo().Mode())
		require.True(t, header.ModTime.Equal(when))
	}
	packed, err = zipped(files, when)
	require.NoError(t, err)
	zipFile, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	require.Len(t, zipFile.File, len(files))
	for i, f := range files {
		require.Equal(t, f.name, zipFile.File[i].Name)
		require.Equal(t, f.mode, zipFile.File[i].Mode())
		require.True(t, zipFile.File[i].Modified.Equal(when))
	}
}

func content(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return data
}

// unpack writes the files of an archive into a folder.
func unpack(t *testing.T, name string, data []byte) (folder string) {
	t.Helper()
	folder = t.TempDir()
	put := func(name string, mode fs.FileMode, r io.Reader) {
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, mode))
	}
	if filepath.Ext(name) == ".zip" {
		zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		for _, f := range zr.File {
			r, err := f.Open()
			require.NoError(t, err)
			put(f.Name, f.Mode(), r)
		}
		return folder
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	tr := tar.NewReader(zr)
	for {
		header, err := tr.Next()
		if err == io.EOF {
			return folder
		}
		require.NoError(t, err)
		put(header.Name, header.FileInfo().Mode(), tr)
	}
}

// requirePrograms asks that a folder has both programs, which run and tell a version,
// and what goes with them.
func requirePrograms(t *testing.T, folder, version string) {
	t.Helper()
	for _, name := range []string{"berth", "dflockd"} {
		said, err := exec.Command(filepath.Join(folder, name+here.suffix()), "--version").CombinedOutput()
		require.NoError(t, err)
		require.Contains(t, string(said), version, name)
	}
	for _, name := range documents {
		require.NotEmpty(t, content(t, folder, name))
	}
}
