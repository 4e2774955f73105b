package engine

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// An address is the URL of an engine, taken apart.
type address struct {
	kind  Kind
	hosts []string // as host:port
	path  string   // without slashes around it
}

// parse takes a URL apart. What has no scheme is the address of a dflockd server.
func parse(url string) (address, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		scheme, rest = string(Dflockd), url
	}
	kind, err := ParseKind(scheme)
	if err != nil {
		return address{}, fmt.Errorf("%q: want host:port of a dflockd server, or a URL that begins with dflockd://, etcd:// or redis://", url)
	}
	hosts, path, _ := strings.Cut(rest, "/")
	a := address{kind: kind, hosts: strings.Split(hosts, ","), path: strings.Trim(path, "/")}
	if len(a.hosts) > 1 && kind != Etcd {
		return address{}, fmt.Errorf("%q: want one host:port: only an etcd cluster has several", url)
	}
	for _, host := range a.hosts {
		if !isHostPort(host) {
			return address{}, fmt.Errorf("%q: want host:port, such as 127.0.0.1:%s", url, kinds[kind].port)
		}
	}
	if _, err := strconv.ParseUint(a.path, 10, 31); a.path != "" && (kind != Redis || err != nil) {
		return address{}, fmt.Errorf("%q: want nothing behind the port, or the number of a database of Redis", url)
	}
	return a, nil
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, notNumber := strconv.Atoi(port)
	return err == nil && notNumber == nil && n >= 1 && n <= 65535 && host != "" && !strings.ContainsAny(host, " \t\r\n@?")
}
