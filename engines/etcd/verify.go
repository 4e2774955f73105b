package etcd

import (
	"context"
	"fmt"

	"github.com/berth-go/berth/internal/errs"
)

// This file has how the members of the cluster are asked for their version. Each is
// asked, with each beat, until it has said one that will do.

// verify returns nil once a member has said a version that will do, unless another has
// said one that will not. What the rest says counts when it is said.
func (s *Source) verify(ctx context.Context) error {
	answers := s.askVersions()
	last := errs.Unavailable(errNoVersion)
	for left := cap(answers); ; left-- {
		s.lock()
		known, refusal := len(s.verified) > 0, s.refusal()
		s.unlock()
		switch {
		case known || refusal != nil:
			return refusal
		case left == 0:
			return last
		}
		select {
		case last = <-answers:
		case <-ctx.Done():
			return s.failed(ctx, ctx.Err()).err
		}
	}
}

// refusal returns what is wrong with a member that is too old, if one is. Caller
// holds mu.
func (s *Source) refusal() error {
	for _, endpoint := range s.client.Endpoints() {
		if err := s.tooOld[endpoint]; err != nil {
			return err
		}
	}
	return nil
}

// askVersions asks each member that has not said yet that it will do and that is not
// being asked. The answers come over a channel with room for all of them.
func (s *Source) askVersions() <-chan error {
	s.lock()
	defer s.unlock()
	var unknown []string
	for _, endpoint := range s.client.Endpoints() {
		if !s.verified[endpoint] && !s.asking[endpoint] {
			unknown = append(unknown, endpoint)
		}
	}
	answers := make(chan error, len(unknown))
	for _, endpoint := range unknown {
		s.asking[endpoint] = true
		s.spawn(func() { answers <- s.askVersion(endpoint) })
	}
	return answers
}

// askVersion asks one member. While one is too old, no claim is made.
func (s *Source) askVersion(endpoint string) error {
	ctx, cancel := s.cfg.within(s.ctx)
	defer cancel()
	r, err := s.client.Status(ctx, endpoint)
	var unknown error // why the version is not known
	if err != nil {
		unknown = s.failed(ctx, err).err
	}
	s.lock()
	defer s.unlock()
	delete(s.asking, endpoint)
	if unknown != nil {
		return unknown
	}
	if err := checkVersion(r.Version); err != nil {
		if s.tooOld[endpoint] == nil {
			s.later = append(s.later, func() { s.cfg.logger().Error("etcd: a member is too old", "endpoint", endpoint, "version", r.Version) })
		}
		s.tooOld[endpoint] = fmt.Errorf("%s: %w", endpoint, err)
		return err
	}
	delete(s.tooOld, endpoint)
	s.verified[endpoint] = true
	return nil
}
