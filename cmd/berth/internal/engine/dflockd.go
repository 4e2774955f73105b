package engine

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/slot"
)

const dflockdPort = "6388"

var dflockdWords = strings.NewReplacer(
	"see WithAuth", "--secret-file", "WithAuth", "--secret-file",
	"WithPlaintextAuth", "?plaintext-auth in the URL", "WithTLS", "--tls",
	"WithServers:", "the URL of the engine:", "WithServers", "--engine",
	"WithCluster", "?cluster in the URL", "WithOrphanTime", "?orphan-time in the URL", "WithStrict", "?strict in the URL",
	" (WithConnectTimeout)", "", "WithLease", "--lease", "WithName", "--name",
)

// dflockdEngine is a source with what the command line asks for besides.
type dflockdEngine struct {
	*dflockd.Source
	options []dflockd.Option
}

// openDflockd opens dflockd://host:port, or dflockd:///path for a Unix socket.
func openDflockd(at Address, s Settings, limits slot.Limits) (Engine, error) {
	options, err := dflockdOptions(at, s)
	if err != nil {
		return nil, err
	}
	src, err := dflockd.NewSource(limits, options...)
	if err != nil {
		return nil, err
	}
	return &dflockdEngine{src, options}, nil
}

func dflockdOptions(at Address, s Settings) ([]dflockd.Option, error) {
	if err := at.known("strict", "fence", "cluster", "orphan-time", "plaintext-auth"); err != nil {
		return nil, err
	}
	options, err := dflockdServers(at)
	if err != nil {
		return nil, err
	}
	for name, option := range map[string]func() dflockd.Option{
		"strict": dflockd.WithStrict, "fence": dflockd.WithFence, "cluster": dflockd.WithCluster,
		"plaintext-auth": dflockd.WithPlaintextAuth,
	} {
		on, err := at.flag(name)
		if err != nil {
			return nil, err
		}
		if on {
			options = append(options, option())
		}
	}
	orphans, err := at.duration("orphan-time")
	if err != nil {
		return nil, err
	}
	if orphans > 0 {
		options = append(options, dflockd.WithOrphanTime(orphans))
	}
	if s.Name != "" {
		options = append(options, dflockd.WithName(s.Name))
	}
	if s.Lease > 0 {
		options = append(options, dflockd.WithLease(s.Lease))
	}
	if s.Patience > 0 {
		options = append(options, dflockd.WithConnectTimeout(s.Patience), dflockd.WithSocketTimeout(s.Patience))
	}
	return dflockdSecurity(options, s)
}

func dflockdServers(at Address) ([]dflockd.Option, error) {
	if len(at.Hosts) == 0 && len(at.Path) > 1 {
		path := at.Path
		return []dflockd.Option{dflockd.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path) // whose error names the path
		})}, nil
	}
	if at.Path != "" && at.Path != "/" {
		return nil, fmt.Errorf("the URL of the engine has a host and a path, %s: a Unix socket is written as dflockd://%s", at.Path, at.Path)
	}
	servers, err := at.servers(dflockdPort)
	if err != nil {
		return nil, err
	}
	return []dflockd.Option{dflockd.WithServers(servers...)}, nil
}

func dflockdSecurity(options []dflockd.Option, s Settings) ([]dflockd.Option, error) {
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	if secret != "" {
		options = append(options, dflockd.WithAuth(secret))
	}
	cfg, err := s.TLS.config()
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		options = append(options, dflockd.WithTLS(cfg))
	}
	return options, nil
}

// List asks each server what it holds.
func (e *dflockdEngine) List(ctx context.Context) ([]Key, error) {
	all, err := dflockd.Stats(ctx, e.options...)
	var keys []Key
	for _, st := range all {
		for _, l := range st.Locks {
			keys = append(keys, Key{Server: st.Server, Key: l.Key, Limit: 1, Held: 1, Waiting: l.Waiters})
		}
		for _, s := range st.Semaphores {
			keys = append(keys, Key{Server: st.Server, Key: s.Key, Limit: s.Limit, Held: s.Holders, Waiting: s.Waiters})
		}
	}
	return keys, err
}
