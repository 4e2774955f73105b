package slothttp

import (
	"net"
	"net/http"
	"strings"
)

// Host returns the host of the request's URL in lower case, with its port unless
// that is the default of its scheme. It is the default of [Transport.Key], and of
// use for the requests of clients only: those that a server receives have no host
// in their URL.
func Host(req *http.Request) string {
	if req.URL == nil {
		return "" // which the base transport or the source refuses
	}
	host := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), "."))
	port := req.URL.Port()
	if port == "" || port == defaultPorts[strings.ToLower(req.URL.Scheme)] {
		return host
	}
	return net.JoinHostPort(host, port)
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}
