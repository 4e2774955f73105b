package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// probe is what only the ping command takes.
type probe struct {
	tls        bool
	ca         string
	serverName string
	cert, key  string
	timeout    time.Duration
}

// pinging is the command line of ping. What it shares with the server it reads
// from the same variables, so that a probe in a server's container needs no
// more than its environment.
var pinging = commandLine{
	usage: `dflockd ping asks a server whether it answers, for probes and scripts.

Usage: dflockd ping [flags]

It prints the address and how long the answer took, and ends with status 0; with
1 if there was no answer, or a refusal; with 2 if a flag cannot be read. A server
answers in its startup grace too.
`,
	sections: []section{
		{"Server", []setting{
			hostRow.describe("address of the server; one that means all addresses means this machine"),
			portRow.describe("its port"),
			unixRow.describe("its Unix socket, instead of address and port"),
			{"timeout", nil, "SECONDS", "3", "time for everything", duration(func(s *settings) *time.Duration { return &s.probe.timeout }, 1)},
		}},
		{"Security", []setting{
			secretRow.describe("secret to show; others can see it in the process list"),
			secretFileRow.describe("file with the secret; of two lines the first counts"),
			{"tls", nil, "", "off", "speak TLS, and check the server's name", boolean(func(s *settings) *bool { return &s.probe.tls }, true)},
			{"tls-ca", nil, "FILE", "", "trust the authorities in this file, in PEM, instead of the system's; means --tls", text(func(s *settings) *string { return &s.probe.ca })},
			{"tls-server-name", nil, "NAME", "", "the name to check, if it is not the address; means --tls", text(func(s *settings) *string { return &s.probe.serverName })},
			{"tls-cert", nil, "FILE", "", "certificate of the client, in PEM; means --tls", text(func(s *settings) *string { return &s.probe.cert })},
			{"tls-key", nil, "FILE", "", "its private key, in PEM", text(func(s *settings) *string { return &s.probe.key })},
		}},
	},
}

// ping asks once.
func ping(set *settings, _ environment, stdout, _ io.Writer) error {
	secrets := set.secret.secrets
	cfg, err := set.probe.config(set.target())
	if err != nil {
		return usageError{err}
	}
	if len(secrets) > 0 && cfg == nil && set.unixPath == "" && !isLoopback(set.target()) {
		return usageError{fmt.Errorf("the secret is not sent to %s in plain text: use --tls", set.target())}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), set.probe.timeout, fmt.Errorf("no answer within %v", set.probe.timeout))
	defer cancel()
	network, address := set.where()
	begin := time.Now()
	nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	deadline, _ := ctx.Deadline()
	_ = nc.SetDeadline(deadline)
	if cfg != nil {
		nc = tls.Client(nc, cfg)
	}
	if err := exchange(nc, secrets); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	_, err = fmt.Fprintf(stdout, "%s answered in %v\n", address, time.Since(begin).Round(10*time.Microsecond))
	return err
}

// exchange shows the secret, if there is one, and asks for a sign of life.
func exchange(nc net.Conn, secrets []string) error {
	r := bufio.NewReader(io.LimitReader(nc, wire.MaxReply))
	if len(secrets) > 0 {
		reply, err := request(nc, r, wire.Request{Command: wire.Auth, Secret: wire.Secret(secrets[0])})
		switch {
		case err != nil:
			return err
		case reply.Status == wire.Error:
			return errors.New("the server has no secret, and was shown one")
		case reply.Status != wire.OK:
			return fmt.Errorf("the server refused the secret: %v", reply.Status)
		}
	}
	reply, err := request(nc, r, wire.Request{Command: wire.Ping})
	switch {
	case err != nil:
		return err
	case reply.Status == wire.ErrorAuth:
		return errors.New("the server wants a secret: use --auth-token-file")
	case reply.Status != wire.OK && reply.Status != wire.Error: // error: an original dflockd, which is there
		return fmt.Errorf("the server answered %v", reply.Status)
	}
	return nil
}

// request sends req and reads the reply.
func request(nc net.Conn, r *bufio.Reader, req wire.Request) (wire.Reply, error) {
	lines, err := wire.AppendRequest(nil, &req)
	if err != nil {
		return wire.Reply{}, err
	}
	if _, err := nc.Write(lines); err != nil {
		return wire.Reply{}, fmt.Errorf("no answer: %w", withoutAddresses(err))
	}
	line, err := r.ReadBytes('\n')
	switch {
	case len(line) > 0 && line[0] == tlsAlert:
		return wire.Reply{}, errors.New("the server speaks TLS: use --tls, or --tls-ca for an authority of your own")
	case err != nil:
		return wire.Reply{}, fmt.Errorf("no answer: %w", withoutAddresses(err))
	}
	return wire.ParseReply(req.Command, line[:len(line)-1])
}

// tlsAlert is what a TLS server's answer to a client begins with that speaks
// no TLS.
const tlsAlert = 0x15

// withoutAddresses leaves out who is at the ends of the connection: the caller
// says that, and a Unix socket has another path while it is made.
func withoutAddresses(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// target returns the host to dial: this machine, where the server listens on
// all addresses.
func (s *settings) target() string {
	switch ip, err := netip.ParseAddr(s.host); {
	case err != nil || !ip.IsUnspecified():
		return s.host
	case ip.Is4():
		return "127.0.0.1"
	default:
		return "::1"
	}
}

func (s *settings) where() (network, address string) {
	if s.unixPath != "" {
		return "unix", s.unixPath
	}
	return "tcp", net.JoinHostPort(s.target(), strconv.Itoa(s.port))
}

// config returns nil if there is to be no TLS.
func (p *probe) config(host string) (cfg *tls.Config, err error) {
	if !p.tls && p.ca == "" && p.serverName == "" && p.cert == "" && p.key == "" {
		return nil, nil
	}
	cfg = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if p.serverName != "" {
		cfg.ServerName = p.serverName
	}
	if p.ca != "" {
		if cfg.RootCAs, err = readAuthorities("--tls-ca", p.ca); err != nil {
			return nil, err
		}
	}
	switch {
	case (p.cert == "") != (p.key == ""):
		return nil, errors.New("--tls-cert and --tls-key go together")
	case p.cert != "":
		cert, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", p.cert, p.key, err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}
