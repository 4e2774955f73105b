package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// ErrAuth is returned when Redis refuses the client's user or password, or its user
// may not do what a source does. Until Redis has carried out something for this source
// it is permanent; after that it is an outage, and matches slot.ErrUnavailable too:
// passwords are changed, and rights are taken and given.
var ErrAuth = errors.New("the server refused the user, the password, or what the user may do")

// Error says what was asked for, with which key and of which server, when
// something failed.
type Error = slot.Error

var (
	errTimeout = errs.InWords("no answer in time (WithTimeout): the server is frozen or overloaded, or the network is cut", slot.ErrUnavailable)
	errSilence = errs.InWords("no renewal was answered for a lease: the place in line is lost", slot.ErrUnavailable)
	errUnasked = errs.InWords("it was granted, nobody asked for the slot, and its lease is over", slot.ErrUnavailable)
	errNoPlace = errs.InWords("the server does not have the place in line any more: its data were lost, its clock was set, or this process stood still", slot.ErrUnavailable)

	errNotRenewed = errs.InWords("slot lost: no renewal was answered in time", slot.ErrLost)
	errNotThere   = errs.InWords("slot lost: the server does not have it any more: its data were lost, its clock was set, or this process stood still", slot.ErrLost)
	errRevoked    = errs.InWords("slot lost: an operator took it back", slot.ErrLost, slot.ErrRevoked)
	errOwnClose   = errs.InWords("slot lost: the source was closed", slot.ErrLost, slot.ErrClosed)
)

// outage is what the server can answer that time can cure, and what it means.
var outage = map[string]string{
	"LOADING":     "the server is loading its data",
	"READONLY":    "the server is a replica: a failover is under way, or the client was given the wrong address",
	"MASTERDOWN":  "the server is a replica that has lost its master",
	"CLUSTERDOWN": "the cluster is down, or does not serve all slots",
	"TRYAGAIN":    "the cluster is moving the key",
	"MOVED":       "the cluster has moved the key: a client for a single server does not follow, see redis.NewClusterClient",
	"ASK":         "the cluster is moving the key: a client for a single server does not follow, see redis.NewClusterClient",
	"CROSSSLOT":   "the cluster does not have the keys of a semaphore in one place",
	"BUSY":        "a script of somebody's keeps the server busy",
	"OOM":         "the server is out of memory (maxmemory)",
	"MISCONF":     "the server cannot save its data and takes no writes (stop-writes-on-bgsave-error, or a full disk)",
	"NOREPLICAS":  "the server has too few replicas to take writes (min-replicas-to-write)",
	"NOSCRIPT":    "the server does not keep the script",
	"ERR max":     "the server has all the connections that it may have (maxclients)",
}

// refusal says what an answer that is an error means. accepted: this source has been
// served before.
func refusal(err error, accepted bool) error {
	text := err.Error()
	for _, prefix := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR invalid password"} {
		if !strings.HasPrefix(text, prefix) {
			continue
		}
		if accepted {
			return errs.InWords(fmt.Sprintf("%v (it answered %q)", ErrAuth, text), ErrAuth, slot.ErrUnavailable, err)
		}
		return errs.Permanently(errs.InWords(fmt.Sprintf("%v (it answered %q)", ErrAuth, text), ErrAuth, err))
	}
	for prefix, meaning := range outage {
		if strings.HasPrefix(text, prefix) {
			return errs.InWords(fmt.Sprintf("%s (it answered %q)", meaning, text), slot.ErrUnavailable, err)
		}
	}
	return errs.InWords(fmt.Sprintf("the server refused the request: it answered %q", text), err)
}

// trouble says why a request was not answered, or what the answer means.
func (s *Source) trouble(err error) error {
	var answer goredis.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, errAnswer):
		return err
	case errors.As(err, &answer) && !errors.Is(err, goredis.Nil):
		return refusal(err, s.accepted.Load())
	case errors.Is(err, goredis.ErrClosed):
		return errs.Permanently(errs.InWords("the client was closed: close the source first, then its client", slot.ErrClosed, err))
	case errors.Is(err, goredis.ErrPoolTimeout), errors.Is(err, goredis.ErrPoolExhausted):
		return errs.InWords("all connections of the client are in use (PoolSize)", slot.ErrUnavailable, err)
	case errors.As(err, &dns):
		return errs.InWords(fmt.Sprintf("the name %q does not resolve: correct the address, or have it put into the name service", dns.Name), slot.ErrUnavailable, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errs.InWords("nothing listens there: start a server with \"redis-server\", or correct the address", slot.ErrUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errs.InWords(errTimeout.Error(), slot.ErrUnavailable, err)
	default:
		return errs.InWords(fmt.Sprintf("the connection failed (%v)", err), slot.ErrUnavailable, err)
	}
}

// wrap says what an error is about.
func (s *Source) wrap(op, name string, err error) error {
	return &Error{Engine: "redis", Op: op, Key: name, Server: s.server, Err: err}
}

// serverOf returns what the client calls its server.
func serverOf(client goredis.UniversalClient) string {
	switch c := client.(type) {
	case *goredis.Client:
		return c.Options().Addr
	case *goredis.ClusterClient:
		return strings.Join(c.Options().Addrs, ", ")
	}
	return ""
}
