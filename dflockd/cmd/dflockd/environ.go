package main

import (
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// prefix is that of all variables of this program.
const prefix = "DFLOCKD_"

// An environment is the variables by name.
type environment map[string]string

// environ reads what os.Environ returns.
func environ(pairs []string) environment {
	e := environment{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if runtime.GOOS == "windows" { // where names have no case
			name = strings.ToUpper(name)
		}
		e[name] = value
	}
	return e
}

// lookup returns what a variable is set to. A link to a service is no setting,
// though it can have the name of one.
func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	if ok && isServiceLink(name, v) {
		return "", false
	}
	return v, ok
}

// check returns an error for a variable that looks like a misspelt one of
// those that are known, and notes about others that are ignored.
func (e environment) check(known []string) (notes []string, err error) {
	var links, strangers []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		switch {
		case isServiceLink(name, e[name]):
			links = append(links, name)
		case slices.Contains(known, name):
		default:
			if meant := nearest(name, known); meant != "" {
				return nil, fmt.Errorf("the environment variable %s is not known: is %s meant?", name, meant)
			}
			if strings.HasPrefix(name, prefix) {
				strangers = append(strangers, name)
			}
		}
	}
	if len(links) > 0 {
		notes = append(notes, fmt.Sprintf("ignored %s: set by Kubernetes for a service named dflockd, and no setting (enableServiceLinks: false leaves them out)", strings.Join(links, ", ")))
	}
	if len(strangers) > 0 {
		notes = append(notes, fmt.Sprintf("ignored %s: no variable of this program", strings.Join(strangers, ", ")))
	}
	return notes, nil
}

var (
	linkAddress = regexp.MustCompile(`^(tcp|udp|sctp)://`)
	linkPart    = regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	linkService = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$`)
)

// isServiceLink reports whether Kubernetes, or Docker before it, has set the
// variable to say where a service named dflockd, or dflockd-something, is:
// DFLOCKD_PORT=tcp://10.0.0.1:6388 and others.
func isServiceLink(name, value string) bool {
	if !strings.HasPrefix(name, prefix) {
		return false
	}
	return linkPart.MatchString(name) || linkService.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && linkAddress.MatchString(value)
}

// maxSlips is how many letters too many, too few or wrong make a near-miss.
const maxSlips = 2

// nearest returns the known variable that name was probably meant to be, or "":
// one that differs by its unit, its case or its underscores, by few letters, by
// what was added to it, or by words that were left out before or after.
func nearest(name string, known []string) string {
	best, slips := "", maxSlips+1
	for _, k := range known {
		if plainName(k) == plainName(name) {
			return k
		}
		if d := distance(strings.ToUpper(name), k, slips); d < slips {
			best, slips = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(plainName(name), plainName(k)) && len(k) > len(best) {
			best = k
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known {
		if isPartOf(strings.Replace(strings.ToUpper(name), prefix+"NO_", prefix, 1), k) && (best == "" || len(k) < len(best)) {
			best = k
		}
	}
	return best
}

// isPartOf reports whether name has the first or the last words of known:
// DFLOCKD_AUTO_RELEASE, DFLOCKD_TOKEN.
func isPartOf(name, known string) bool {
	words, ours := strings.CutPrefix(name, prefix)
	known = strings.TrimPrefix(known, prefix)
	return ours && words != "" && (strings.HasPrefix(known, words+"_") || strings.HasSuffix(strings.TrimSuffix(known, "_S"), "_"+strings.TrimSuffix(words, "_S")))
}

// plainName leaves out what people leave out or put in: underscores, the unit,
// and the no of a flag.
func plainName(name string) string {
	name = strings.Replace(strings.ToUpper(name), prefix+"NO_", prefix, 1)
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_SECONDS"), "_S")
	return strings.ReplaceAll(name, "_", "")
}

// distance returns how many letters have to be inserted, left out or replaced
// to make a of b, or limit if it is that many or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
