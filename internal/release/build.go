package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A platform is what a program is built for.
type platform struct{ os, arch string }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

// programs lists what an archive holds, by the paths of their packages.
var programs = []string{root + "/cmd/berth", root + "/dflockd/cmd/dflockd"}

// documents lists what goes into each archive beside the programs.
var documents = []string{"CHANGELOG.md", "LICENSE"}

// build makes an archive for each platform, and SHA256SUMS, in a folder.
func (r repository) build(v version, folder string, targets []platform) error {
	when, err := r.committed(v)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "berth-release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	environment, err := r.published(scratch)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, target := range targets {
		name, data, err := r.archive(v, target, when, environment, scratch)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
		r.say("%s, %d KiB", filepath.Join(folder, name), len(data)/1024)
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// archive builds the programs for a platform and returns the archive's name and bytes.
func (r repository) archive(v version, target platform, when time.Time, environment []string, scratch string) (name string, data []byte, err error) {
	files, err := r.documents(v)
	if err != nil {
		return "", nil, err
	}
	for _, program := range programs {
		content, err := r.install(v, program, target, environment, scratch)
		if err != nil {
			return "", nil, err
		}
		files = append(files, file{name: path.Base(program) + target.suffix(), mode: 0o755, content: content})
	}
	name = fmt.Sprintf("berth_%s_%s_%s", strings.TrimPrefix(v.String(), "v"), target.os, target.arch)
	if target.os == "windows" {
		data, err = zipped(files, when)
		return name + ".zip", data, err
	}
	data, err = tarred(files, when)
	return name + ".tar.gz", data, err
}

func (p platform) suffix() string {
	if p.os == "windows" {
		return ".exe"
	}
	return ""
}

// documents reads what goes with the programs, as it is in the release.
func (r repository) documents(v version) (files []file, err error) {
	for _, name := range documents {
		content, err := r.git("show", v.String()+":"+name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, mode: 0o644, content: []byte(content + "\n")})
	}
	return files, nil
}

// install has the go command install a program of the release, and returns the binary.
func (r repository) install(v version, program string, target platform, environment []string, scratch string) ([]byte, error) {
	environment = append(environment, "GOOS="+target.os, "GOARCH="+target.arch)
	if _, err := r.command(environment, "go", "install", "-trimpath", "-ldflags=-s -w", program+"@"+v.String()); err != nil {
		return nil, err
	}
	// For another system than this one it goes into a folder of its own.
	bin := filepath.Join(scratch, "go", "bin")
	name := path.Base(program) + target.suffix()
	content, err := os.ReadFile(filepath.Join(bin, target.os+"_"+target.arch, name))
	if os.IsNotExist(err) {
		content, err = os.ReadFile(filepath.Join(bin, name))
	}
	return content, err
}
