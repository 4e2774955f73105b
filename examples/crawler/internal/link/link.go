package link

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// MaxLength is how long the address of a page may be. Longer ones are as good
// as always the work of a loop that adds to its own links.
const MaxLength = 2048

// Normal returns the address of the page at u. It is false if u is no address
// of a web page: another scheme, no host, a name and password, or too long.
//
// Two addresses that differ in the case of the host, a default port, the
// encoding of letters and digits, dot segments, an empty query or the fragment
// are one page.
func Normal(u *url.URL) (address string, ok bool) {
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	host, ok := authority(scheme, u)
	if !ok {
		return "", false
	}
	address = scheme + "://" + host + withoutDots(Escaped(u.EscapedPath()))
	if u.RawQuery != "" {
		address += "?" + Escaped(u.RawQuery)
	}
	return address, len(address) <= MaxLength
}

// Resolve returns the address of the page that a link on the page at base leads
// to, and false if it leads to none.
func Resolve(base *url.URL, target string) (address string, ok bool) {
	u, err := Reference(base, target)
	if err != nil {
		return "", false
	}
	return Normal(u)
}

// Reference resolves a target as it is written in a document, where there may
// be space around it, line ends within it, and backslashes for slashes.
func Reference(base *url.URL, target string) (*url.URL, error) {
	target = lineEnds.Replace(strings.Trim(target, " \t\r\n\f"))
	end := strings.IndexAny(target, "?#")
	if end < 0 {
		end = len(target)
	}
	return base.Parse(strings.ReplaceAll(target[:end], `\`, "/") + target[end:])
}

var lineEnds = strings.NewReplacer("\n", "", "\r", "", "\t", "")

// defaultPorts are those that need not be written.
var defaultPorts = map[string]uint64{"http": 80, "https": 443}

// authority returns the host of u with its port, unless that goes without
// saying.
func authority(scheme string, u *url.URL) (string, bool) {
	host, ok := hostname(u.Hostname())
	if !ok {
		return "", false
	}
	if u.Port() == "" {
		return host, true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return "", false
	}
	if port != defaultPorts[scheme] {
		host += ":" + strconv.FormatUint(port, 10)
	}
	return host, true
}

// hostname returns the one spelling of a host: a name in ASCII and lower case, or
// an address.
func hostname(host string) (string, bool) {
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		return "[" + ip.String() + "]", err == nil && ip.Zone() == ""
	}
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	} // else a name that DNS knows and the standard does not, with a "_" in it
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.Trim(label, labelBytes) != "" {
			return "", false
		}
	}
	return host, true
}

// labelBytes are what lies between the dots of a host's name.
const labelBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// withoutDots removes the segments "." and ".." from an absolute path.
func withoutDots(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "..":
			kept = kept[:max(len(kept)-1, 0)]
		case s != ".":
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "") // "/a/." is "/a/"
		}
	}
	return "/" + strings.Join(kept, "/")
}
