package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// A version is that of a release: v0.2.0 is {0, 2, 0}.
type version [3]int

var versionForm = regexp.MustCompile(`^v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$`)

// parseVersion reads the version of a release. From v2 on a module's path has to end in
// /v2, so that a number alone does not make such a release.
func parseVersion(text string) (v version, err error) {
	m := versionForm.FindStringSubmatch(text)
	if m == nil {
		return version{}, fmt.Errorf("%q is no version of a release: it is written like v0.2.0", text)
	}
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1]) // nine digits at most
	}
	if v[0] > 1 {
		return version{}, fmt.Errorf("%s: from v2 on the paths of the modules end in /v%d: change them first, and what this program takes for a version", text, v[0])
	}
	return v, nil
}

func (v version) String() string { return fmt.Sprintf("v%d.%d.%d", v[0], v[1], v[2]) }

func (v version) compare(w version) int { return slices.Compare(v[:], w[:]) }

// latest returns the highest version among tags, and false if there is none.
func latest(tags []string) (last version, found bool) {
	for _, tag := range tags {
		if v, err := parseVersion(tag); err == nil && (!found || v.compare(last) > 0) {
			last, found = v, true
		}
	}
	return last, found
}
