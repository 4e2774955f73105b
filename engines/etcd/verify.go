package etcd

import (
	"context"
	"fmt"
)

// This file has how the members of the cluster are asked for their version.

// verify asks the members that were not asked yet, and returns when one has said a
// version that will do. What the others say counts when they say it.
func (s *Source) verify(ctx context.Context) error {
	s.lock()
	any := len(s.verified) > 0
	s.unlock()
	asked := s.askVersions(s.ctx)
	if any || asked == nil {
		return nil
	}
	var last error
	for range cap(asked) {
		select {
		case last = <-asked:
			if last == nil {
				return nil
			}
		case <-ctx.Done():
			return failed(ctx, ctx.Err(), false).err
		}
	}
	return last
}

// verifyRest asks those that have not answered yet, for nobody in particular.
func (s *Source) verifyRest(ctx context.Context) { s.askVersions(ctx) }

// askVersions asks each member whose version is not known, and returns where it will
// say what is wrong with it. It returns nil where all are known.
func (s *Source) askVersions(ctx context.Context) chan error {
	s.lock()
	defer s.unlock()
	var unknown []string
	for _, endpoint := range s.client.Endpoints() {
		if !s.verified[endpoint] {
			unknown = append(unknown, endpoint)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	answers := make(chan error, len(unknown))
	for _, endpoint := range unknown {
		s.spawn(func() { answers <- s.askVersion(ctx, endpoint) })
	}
	return answers
}

// askVersion asks one member. One that is too old has no claim made any more, until
// it says otherwise.
func (s *Source) askVersion(ctx context.Context, endpoint string) error {
	within, cancel := s.cfg.within(ctx)
	defer cancel()
	r, err := s.client.Status(within, endpoint)
	if err != nil {
		return s.failed(within, err).err
	}
	err = checkVersion(r.Version)
	s.lock()
	defer s.unlock()
	if err != nil {
		err = fmt.Errorf("%s: %w", endpoint, err)
		if s.refusal == nil {
			s.later = append(s.later, func() { s.cfg.logger().Error("etcd: " + err.Error()) })
		}
		s.refusal = err
		return err
	}
	s.verified[endpoint] = true
	return nil
}
