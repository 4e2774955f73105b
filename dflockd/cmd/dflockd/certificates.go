package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// certificates are those that the server shows and asks for. They are read
// from their files again when they change.
type certificates struct {
	cert, key, clientCA string
	current             atomic.Pointer[tls.Config] // what the next handshake is done with
}

// openCertificates reads what the settings name. It returns nil if there is to
// be no TLS.
func openCertificates(s *settings) (*certificates, error) {
	switch {
	case (s.tlsCert == "") != (s.tlsKey == ""):
		return nil, errors.New("--tls-cert and --tls-key go together")
	case s.tlsCert == "" && s.tlsClientCA != "":
		return nil, errors.New("--tls-client-ca needs --tls-cert and --tls-key")
	case s.tlsCert == "":
		return nil, nil
	}
	c := &certificates{cert: s.tlsCert, key: s.tlsKey, clientCA: s.tlsClientCA}
	cfg, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current.Store(cfg)
	return c, nil
}

// config is for a server whose certificates change while it runs. Sessions are
// resumed across a change, unless the client's authority is trusted no more.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// read returns what is in the files now.
func (c *certificates) read() (*tls.Config, error) { return c.readAt(time.Now()) }

func (c *certificates) readAt(now time.Time) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", c.cert, c.key, err)
	}
	if end := cert.Leaf.NotAfter; now.After(end) {
		return nil, fmt.Errorf("--tls-cert %s: the certificate ended on %s", c.cert, end.UTC().Format(time.DateOnly))
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if c.clientCA == "" {
		return cfg, nil
	}
	if cfg.ClientCAs, err = readAuthorities("--tls-client-ca", c.clientCA); err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	return cfg, nil
}

// readAuthorities reads the certificates that others are checked against.
func readAuthorities(flag, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s %s: no certificate in it", flag, path)
	}
	return pool, nil
}
