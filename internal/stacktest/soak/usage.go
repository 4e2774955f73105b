package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A usage is what a process has at a moment.
type usage struct {
	memory int // resident, in bytes
	files  int // that are open, connections included
}

const mib = 1 << 20

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB, %d open files", float64(u.memory)/mib, u.files)
}

// The rule of growth: the first samples show what a process needs. Whatever comes
// later may be half as much again and 16 MiB more, and eight files more.
const (
	firstSamples = 3
	moreMemory   = 16 * mib
	moreFiles    = 8
)

// grown returns an error with figures if a later sample is beyond what the first ones
// allow.
func grown(samples []usage) error {
	if len(samples) <= firstSamples {
		return nil
	}
	first := most(samples[:firstSamples])
	bound := usage{first.memory*3/2 + moreMemory, first.files + moreFiles}
	if later := most(samples[firstSamples:]); later.memory > bound.memory || later.files > bound.files {
		return fmt.Errorf("it grew from %v at most in the first %d samples to %v in the next %d; the rule allows %v",
			first, firstSamples, later, len(samples)-firstSamples, bound)
	}
	return nil
}

// most returns the largest of each.
func most(samples []usage) (u usage) {
	for _, s := range samples {
		u.memory, u.files = max(u.memory, s.memory), max(u.files, s.files)
	}
	return u
}

// usageOf returns what a process has, where the system tells in /proc.
func usageOf(pid int) (u usage, ok bool) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(proc, "statm"))
	if err != nil {
		return usage{}, false
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return usage{}, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return usage{}, false
	}
	pages, err := strconv.Atoi(fields[1])
	return usage{pages * os.Getpagesize(), len(files)}, err == nil
}
