package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// Oldest version of Redis that a source works with.
const oldestMajor, oldestMinor = 6, 2

// Ping reports whether Redis answers, and is one that a source can use: of version 6.2
// or later, and durable where [WithDurable] says so. It takes a few round trips.
func (s *Source) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.timeout, errTimeout)
	defer cancel()
	result := make(chan error, 1)
	// The client may not heed ctx, and ends by its own timeouts.
	if err := s.start(func() { result <- s.ping(ctx) }); err != nil {
		return s.wrap("ping", "", err)
	}
	select {
	case err := <-result:
		if err != nil {
			return s.wrap("ping", "", err)
		}
		return nil
	case <-ctx.Done():
		return s.wrap("ping", "", context.Cause(ctx))
	}
}

// start runs f on a goroutine of the source.
func (s *Source) start(f func()) error {
	s.lock()
	defer s.unlock()
	if s.closing {
		return slot.ErrClosed
	}
	s.tasks.Go(f)
	return nil
}

func (s *Source) ping(ctx context.Context) error {
	version, err := reportOf(ctx, s.client, "server", "redis_version")
	if err == nil && version == "" { // a server that tells nothing of itself
		err = s.client.Ping(ctx).Err()
	}
	if err != nil {
		return s.trouble(err)
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	return s.durable(ctx)
}

// checkVersion returns why a server is too old. What is no version is none of Redis.
func checkVersion(version string) error {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil || a > oldestMajor || a == oldestMajor && b >= oldestMinor {
		return nil
	}
	return errs.Permanently(fmt.Errorf("it is Redis %s, and a source needs %d.%d or later", version, oldestMajor, oldestMinor))
}
