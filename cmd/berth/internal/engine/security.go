package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Secret is shown to the engine, and to nobody else.
type Secret string

// String, GoString and Format hide it.
func (Secret) String() string   { return "(secret)" }
func (Secret) GoString() string { return "(secret)" }

// secret returns the secret, or "" if there is none.
func (s Settings) secret() (string, error) {
	if s.SecretFile == "" {
		return string(s.Secret), nil
	}
	text, err := os.ReadFile(s.SecretFile)
	if err != nil {
		return "", fmt.Errorf("the file with the secret cannot be read: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("the file with the secret, %s, is empty", s.SecretFile)
	}
	return line, nil
}

// TLS says how the engine is spoken to. Any field means that TLS is wanted.
type TLS struct {
	On         bool
	CA         string // file with authorities instead of the system's
	ServerName string // to be checked, if it is not the address
	Cert, Key  string // files for a client that has to show who it is
}

// config returns nil for an engine that is spoken to in plain text.
func (t TLS) config() (*tls.Config, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("the file with the authorities cannot be read: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file with the authorities, %s, has no certificate in PEM", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("a certificate of the client needs both --tls-cert and --tls-key")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate of the client cannot be used: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
