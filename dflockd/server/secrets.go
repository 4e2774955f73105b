package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// secretSet has the hashes of the secrets that are right.
type secretSet [][sha256.Size]byte

func newSecretSet(secrets []string) (*secretSet, error) {
	if len(secrets) == 0 {
		return nil, errors.New("server: no secret is given: at least one is needed")
	}
	set := make(secretSet, len(secrets))
	for i, s := range secrets {
		if err := wire.CheckSecret(s); err != nil {
			return nil, fmt.Errorf("server: secret %d: %w", i+1, err)
		}
		set[i] = sha256.Sum256([]byte(s))
	}
	return &set, nil
}

// has compares in a time that tells nothing, not even the length. No set has none.
func (set *secretSet) has(shown wire.Secret) bool {
	if set == nil {
		return false
	}
	hash, found := sha256.Sum256([]byte(shown)), 0
	for _, each := range *set {
		found |= subtle.ConstantTimeCompare(hash[:], each[:])
	}
	return found == 1
}

// SetSecrets replaces the secrets that [WithSecrets] gave, for connections that
// have not shown theirs yet; the others stay. Give the old one and the new one
// as long as clients change from one to the other. It does not block. It fails,
// and changes nothing, if there is no secret among them, if one cannot be
// sent, or if the server was started without a secret.
func (s *Server) SetSecrets(secrets ...string) error {
	set, err := newSecretSet(secrets)
	if err != nil {
		return err
	}
	if s.secrets.Load() == nil {
		return errors.New("server: it was started without a secret, which cannot be changed while it runs")
	}
	s.secrets.Store(set)
	s.log.info("secrets replaced", "secrets", len(secrets))
	return nil
}

// SetAdminSecrets replaces the secrets that [WithAdminSecrets] gave; who has shown
// one stays an administrator. It does not block. It fails as [Server.SetSecrets]
// does.
func (s *Server) SetAdminSecrets(secrets ...string) error {
	set, err := newSecretSet(secrets)
	if err != nil {
		return err
	}
	if s.admins.Load() == nil {
		return errors.New("server: it was started without an administrators' secret, which cannot be changed while it runs")
	}
	s.admins.Store(set)
	s.log.info("administrators' secrets replaced", "secrets", len(secrets))
	return nil
}
