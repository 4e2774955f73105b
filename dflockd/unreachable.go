package dflockd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
)

// This file says in words why there is no connection: what happened and what to
// do about it. The address stands in front of it, in Error.

// noConnection is for a dial that failed.
func (c *config) noConnection(server string, err error) error {
	var dns *net.DNSError
	switch {
	case c.embedded != nil:
		return errs.InWords(fmt.Sprintf("the embedded server takes no connection (%s): has it been shut down before its clients?", bare(err)), err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return errs.InWords(fmt.Sprintf("the name %q does not resolve: correct it (WithServers), or have it put into the name service", dns.Name), err)
	case errors.As(err, &dns):
		return errs.InWords(fmt.Sprintf("the name %q could not be looked up (%s): is the name service there?", dns.Name, dns.Err), err)
	case connectionRefused(err):
		host, port, _ := net.SplitHostPort(server)
		return errs.InWords(fmt.Sprintf("nothing listens there: start a server with \"dflockd --host %s --port %s\", or correct the address (WithServers)", host, port), err)
	case timedOut(err):
		return errs.InWords(fmt.Sprintf("no connection within %v (WithConnectTimeout): the machine is down, the address is wrong, or a firewall is in between", c.connectTimeout), err)
	default:
		return errs.InWords(fmt.Sprintf("no connection (%s): correct the address (WithServers), or the network", bare(err)), err)
	}
}

// noTLS is for a TLS handshake that failed.
func (c *config) noTLS(err error) error {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return errs.InWords("what answers there does not speak TLS: start the server with --tls-cert and --tls-key, or do without WithTLS", err)
	case remoteAlert(err) != "":
		return brokeOff(err)
	case timedOut(err):
		return errs.InWords(fmt.Sprintf("no TLS handshake within %v (WithConnectTimeout): the server is frozen or overloaded, or does not speak TLS", c.connectTimeout), err)
	case hungUp(err):
		return errs.InWords("the server closed the connection before the TLS handshake: it has all the connections that it may have (--max-connections), or is no dflockd", err)
	default:
		return errs.InWords(badCertificate(err), err)
	}
}

// badCertificate says what is wrong with the server's certificate.
func badCertificate(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "its certificate was signed by an authority that is not trusted here: give that one (RootCAs of WithTLS)"
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for %s, and not for %s: correct the address (WithServers), or say whose it should be (ServerName of WithTLS)",
			subjects(name.Certificate), name.Host)
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not valid (%s): renew it, or set the clock right", strings.TrimPrefix(invalid.Error(), "x509: "))
	default:
		return fmt.Sprintf("no TLS (%s): see WithTLS", bare(err))
	}
}

// subjects returns for whom a certificate is.
func subjects(cert *x509.Certificate) string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// brokeOff is for a server that does not like this client's part in TLS.
func brokeOff(err error) error {
	return errs.InWords(fmt.Sprintf("the server broke off TLS (%s): it may ask for a certificate of this client's (Certificates of WithTLS)",
		remoteAlert(err)), err)
}

// remoteAlert returns what the other side of TLS said as it broke off, or "".
func remoteAlert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// noAnswer is for a server that does not answer one of the requests of greet.
func (c *config) noAnswer(asked wire.Command, err error) error {
	switch {
	case errors.Is(err, ErrProtocol):
		return err
	case remoteAlert(err) != "":
		return brokeOff(err)
	case timedOut(err) && asked == wire.Auth:
		return errs.InWords(fmt.Sprintf("no answer to the secret within %v (WithConnectTimeout): the server is frozen or overloaded%s", c.connectTimeout, c.orTLS()), err)
	case timedOut(err):
		return errs.InWords(fmt.Sprintf("it takes the connection and says nothing within %v (WithConnectTimeout): the server is frozen or overloaded%s, or is no dflockd", c.connectTimeout, c.orTLS()), err)
	case hungUp(err):
		return errs.InWords(fmt.Sprintf("the server closed the connection without an answer: it has all the connections that it may have (--max-connections)%s%s, or is no dflockd", c.orTLS(), c.orGuesses()), err)
	default:
		return errs.InWords(fmt.Sprintf("the connection broke before the server had answered (%s)", bare(err)), err)
	}
}

func (c *config) orTLS() string {
	if c.tls != nil {
		return ""
	}
	return ", or speaks TLS (WithTLS)"
}

func (c *config) orGuesses() string {
	if c.secret == nil {
		return ""
	}
	return ", or was shown too many wrong secrets from here"
}

// stranger says who answers there, if it is no dflockd, by how its answer begins.
func stranger(r *bufio.Reader) error {
	head, _ := r.Peek(min(r.Buffered(), 5))
	who := ""
	switch {
	case bytes.HasPrefix(head, []byte("HTTP")), bytes.HasPrefix(head, []byte("<")):
		who = "an HTTP server answers there, and no dflockd: correct the address (WithServers)"
	case bytes.HasPrefix(head, []byte("SSH-")):
		who = "an SSH server answers there, and no dflockd: correct the address (WithServers)"
	case bytes.HasPrefix(head, []byte{0x15, 3}):
		who = "the server speaks TLS: use WithTLS"
	default:
		return nil
	}
	return errs.InWords(who, ErrProtocol)
}

// broken says in words what ended a connection that was in use.
func broken(err error) error {
	switch {
	case errors.Is(err, ErrProtocol), errors.Is(err, errNoAnswer):
		return err
	case errors.Is(err, io.EOF):
		return errs.InWords("the server closed the connection", err)
	default:
		return errs.InWords(fmt.Sprintf("the connection broke (%s)", bare(err)), err)
	}
}

// timedOut reports whether err says that time ran out.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// hungUp reports whether err says that the other side has ended the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || connectionReset(err)
}

// bare returns what an error of the network says, without the layers that it came
// through.
func bare(err error) string {
	var call *os.SyscallError
	var op *net.OpError
	switch {
	case errors.As(err, &call):
		return call.Err.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	default:
		return err.Error()
	}
}
