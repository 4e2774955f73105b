package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// maxSecrets is how many secrets may be right at once: a new one and the one
// that it replaces.
const maxSecrets = 2

// byteOrderMark is what some editors put in front of a file, where nobody sees it.
const byteOrderMark = "\uFEFF"

// A secretSource is where a shared secret comes from. The zero value says
// that there is none.
type secretSource struct {
	secrets []string // of which any is right, as they were at the start: a file may be a pipe
	file    string   // read again at each SIGHUP; none: the secret was given itself
	rank    int      // the highest of what was given counts
}

// secretItself takes the secret, which counts for more than a file that is
// named in the same place, and for less than what a flag says.
func secretItself(field func(*settings) *secretSource) setter {
	return func(s *settings, v string, from source) error {
		if v == "" {
			return errors.New("is empty: leave it out to serve without a secret")
		}
		field(s).replace(secretSource{secrets: []string{v}, rank: 10*int(from) + 2})
		return nil
	}
}

func secretFile(field func(*settings) *secretSource) setter {
	return func(s *settings, path string, from source) error {
		if path == "" {
			return errors.New("is empty")
		}
		src := secretSource{file: path, rank: 10*int(from) + 1}
		var err error
		if src.secrets, err = src.read(); err != nil {
			return err
		}
		field(s).replace(src)
		return nil
	}
}

func (s *secretSource) replace(with secretSource) {
	if with.rank >= s.rank {
		*s = with
	}
}

// reread is read, for a server that has others already: all must be such that it
// can take them, since several things are replaced together or not at all.
func (s *secretSource) reread() ([]string, error) {
	secrets, err := s.read()
	for i, secret := range secrets {
		if err := wire.CheckSecret(secret); err != nil {
			return nil, fmt.Errorf("%s: secret %d: %w", s.file, i+1, err)
		}
	}
	return secrets, err
}

// read returns the secrets as they are now.
func (s *secretSource) read() ([]string, error) {
	if s.file == "" {
		return s.secrets, nil
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return nil, err
	}
	var secrets []string
	for line := range strings.Lines(strings.TrimPrefix(string(b), byteOrderMark)) {
		if line = strings.TrimSpace(line); line != "" {
			secrets = append(secrets, line)
		}
	}
	switch n := len(secrets); {
	case n == 0:
		return nil, fmt.Errorf("the file %s holds no secret", s.file)
	case n > maxSecrets:
		return nil, fmt.Errorf("the file %s holds %d lines: it may hold a secret and the one that it replaces", s.file, n)
	}
	return secrets, nil
}
