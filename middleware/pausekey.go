package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/internal/retryafter"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// PauseKey pauses the key of a job that fails with a server's word on when to come
// back (see [WithRetryAfter]), until then: src is asked to grant nothing of the key
// to anybody, see [slot.Controller]. So a site that asked for less is left alone by
// all machines, and not only by the job that was told. The key is that with which
// the job's slot was claimed, or else the job's own. Outside a pool it does nothing.
//
// src has to be the source that the pool's slots come from or, where those are of
// [slot.All], the part of it whose key is meant: an engine wants to see that who
// pauses a key holds a slot of it. Without an administrator's rights that may be for
// a minute at most, which is the default of [PauseAtMost]; whoever asks for more
// patience is asked again in between. A pause never ends another one's sooner.
//
// From the word of the server on, jobs of the key that would begin in this pool,
// under a slot that is there already, are put off as by [pool.NotYet]: their
// attempts do not count. What runs goes on. Pools of other processes start no
// further job of the key once the slots that they have are given back or renewed,
// see [pool.WithReuse].
//
// The worker waits for the engine's answer, for 2 s at most (see [PauseWithin]), also
// if the job's context has ended. Where the engine refuses, does not answer or cannot
// pause a key, as the original dflockd, this pool alone keeps to the pause. Package
// log/slog is told then, once a minute at most, and once for all of an engine that
// cannot; [OnPause] has it told to you instead.
//
// In the chain: inside [Retry], which waits for as long as the server said, and
// [RateLimit], so that a job that waited there has not missed the pause, and
// outside [Timeout].
func PauseKey(src slot.Source, opts ...PauseOption) pool.Middleware {
	c := pausing{Source: src, Longest: slot.MaxPause, Within: retryafter.Within}
	if err := slot.Check(src); err != nil {
		return misuse("PauseKey: %w", err)
	}
	for _, opt := range opts {
		if opt == nil {
			return misuse("PauseKey: an option is nil")
		}
		if err := opt(&c); err != nil {
			return misuse("PauseKey: %w", err)
		}
	}
	k := retryafter.NewKeeper(retryafter.Config(c))
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) error {
			if err := isPaused(ctx, k); err != nil {
				return err
			}
			err := next(ctx)
			if err != nil {
				pauseFor(ctx, k, serverWait(err, time.Now()))
			}
			return err
		}
	}
}

// A PauseOption changes what [PauseKey] does.
type PauseOption func(*pausing) error

type pausing retryafter.Config

// PauseAtMost sets the longest time for which a key is paused by one word of a
// server (default [slot.MaxPause], 1 min). Engines refuse longer ones to those who
// are no administrators.
func PauseAtMost(d time.Duration) PauseOption {
	return func(c *pausing) error {
		c.Longest = d
		return positive("PauseAtMost", d)
	}
}

// PauseWithin sets how long the engine may take to answer (default 2 s). The job's
// worker and its slot wait for that.
func PauseWithin(d time.Duration) PauseOption {
	return func(c *pausing) error {
		c.Within = d
		return positive("PauseWithin", d)
	}
}

// OnPause has f called for each word of a server by which the pause of a key gets
// longer: for how long the key is paused from now on, and why this pool alone keeps
// to it, which is nil if everybody does. The error matches errors.ErrUnsupported
// where the engine cannot pause a key. f is called by the job's worker, of many jobs
// at once; a panic in it is the job's.
func OnPause(f func(key string, d time.Duration, err error)) PauseOption {
	return func(c *pausing) error {
		if f == nil {
			return errors.New("OnPause: the function is nil")
		}
		c.Tell = f
		return nil
	}
}

func positive(option string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s(%v): give a time above zero", option, d)
	}
	return nil
}

// isPaused returns an error that puts the job of ctx off if its key is paused.
func isPaused(ctx context.Context, k *retryafter.Keeper) error {
	if k.Idle() {
		return nil // for nearly every job
	}
	key, ok := pausedKey(ctx)
	if !ok {
		return nil
	}
	if left := k.Left(key); left > 0 {
		return pool.NotYet(left, fmt.Errorf("middleware: a server asked to come back later, so the key %q is paused", key))
	}
	return nil
}

// pauseFor pauses the key of the job of ctx as its server said, if it did.
func pauseFor(ctx context.Context, k *retryafter.Keeper, said time.Duration) {
	if said <= 0 {
		return
	}
	if key, ok := pausedKey(ctx); ok {
		k.Pause(context.WithoutCancel(ctx), key, said) // the server wants it whatever becomes of the job
	}
}

// pausedKey is the key that a pause of the job of ctx is about.
func pausedKey(ctx context.Context) (key string, ok bool) {
	info, ok := pool.FromContext(ctx)
	if info.HasSlot {
		return info.SlotKey, ok
	}
	return info.Key, ok
}
