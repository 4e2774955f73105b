package engine

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Address is the URL of an engine, taken apart:
//
//	scheme://host:port,host:port/path?option=value
type Address struct {
	Scheme  string
	Hosts   []string // as they stand there; none if the path comes at once
	Path    string   // with the slash in front, or ""
	Options url.Values
}

// ParseAddress takes a URL apart. It is not net/url's, which takes one host only.
func ParseAddress(text string) (Address, error) {
	if text == "" {
		return Address{}, fmt.Errorf("no engine is named: use --engine or the variable BERTH_ENGINE, such as %s127.0.0.1:6388", Schemes()[0])
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return Address{}, fmt.Errorf("the engine %q is no URL: write it as %s127.0.0.1:6388", hide(text), Schemes()[0])
	}
	rest, query, _ := strings.Cut(rest, "?")
	options, err := url.ParseQuery(query)
	if err != nil {
		return Address{}, fmt.Errorf("the engine %q: its options cannot be read: write them as ?name=value&name=value", hide(text))
	}
	hosts, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		hosts, path = rest[:i], rest[i:]
	}
	if strings.Contains(hosts, "@") {
		return Address{}, errors.New("the engine's URL has a name or a secret in front of an @, where others can see it: use --secret-file, or the variable BERTH_SECRET_FILE or BERTH_SECRET")
	}
	at := Address{Scheme: scheme, Path: path, Options: options}
	if hosts != "" {
		at.Hosts = strings.Split(hosts, ",")
	}
	return at, nil
}

// hide leaves out what stands in front of an @.
func hide(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

// servers returns the hosts as host:port, with the port that is left out.
func (a Address) servers(port string) ([]string, error) {
	if len(a.Hosts) == 0 {
		return nil, fmt.Errorf("the URL of the engine has no host: write it as %s://127.0.0.1:%s", a.Scheme, port)
	}
	var all []string
	for _, host := range a.Hosts {
		if host == "" {
			return nil, fmt.Errorf("the URL of the engine has an empty host: %q", strings.Join(a.Hosts, ","))
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		all = append(all, host)
	}
	return all, nil
}

// known returns an error if there are options besides those.
func (a Address) known(names ...string) error {
	for name := range a.Options {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the URL of the engine has an option %q: %s:// has %s", name, a.Scheme, strings.Join(names, ", "))
		}
	}
	return nil
}

// flag returns whether an option is switched on: ?strict or ?strict=true.
func (a Address) flag(name string) (bool, error) {
	if !a.Options.Has(name) {
		return false, nil
	}
	value := a.Options.Get(name)
	if value == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("the URL of the engine has %s=%s: it is true or false", name, value)
	}
	return on, nil
}

// duration returns an option that is a time, or 0 without it.
func (a Address) duration(name string) (time.Duration, error) {
	if !a.Options.Has(name) {
		return 0, nil
	}
	d, err := time.ParseDuration(a.Options.Get(name))
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("the URL of the engine has %s=%s: it is a time such as 30s", name, a.Options.Get(name))
	}
	return d, nil
}
