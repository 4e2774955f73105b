package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// host takes an address to listen on, or a name of one. An IPv6 address may
// stand in brackets, as it does before a port, and have a zone.
func host(field func(*settings) *string) setter {
	return func(s *settings, v string, _ source) error {
		h, err := plainHost(v)
		if err != nil {
			return err
		}
		*field(s) = h
		return nil
	}
}

// plainHost returns v without brackets.
func plainHost(v string) (string, error) {
	inner, opened := strings.CutPrefix(v, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	ip, err := netip.ParseAddr(inner)
	isAddress := err == nil
	switch {
	case inner == "":
		return "", fmt.Errorf("%q is no address; 0.0.0.0 or :: listens on all", v)
	case opened != closed, opened && !(isAddress && ip.Is6()):
		return "", fmt.Errorf("%q is no address: only an IPv6 address may stand in brackets, without a port", v)
	case !isAddress && strings.Contains(inner, ":"):
		return "", fmt.Errorf("%q is neither an address nor a name; a port has a flag of its own", v)
	}
	return inner, nil
}

// hostPort takes HOST:PORT. Without a host it is on loopback.
func hostPort(field func(*settings) *string) setter {
	return func(s *settings, v string, _ source) error {
		h, port, err := net.SplitHostPort(v)
		if err != nil {
			return fmt.Errorf("%q is not HOST:PORT, as in 127.0.0.1:9090, [::1]:9090 or :9090", v)
		}
		if h == "" {
			h = "127.0.0.1"
		}
		*field(s) = net.JoinHostPort(h, port)
		return nil
	}
}

// isLoopback reports whether only this machine reaches h.
func isLoopback(h string) bool {
	ip, err := netip.ParseAddr(h)
	return h == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
