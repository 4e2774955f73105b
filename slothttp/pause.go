package slothttp

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-go/berth/internal/retryafter"
	"github.com/berth-go/berth/slot"
)

// pauses returns what keeps keys paused, or nil where the transport is not to do so.
func (t *Transport) pauses() *retryafter.Keeper {
	t.pausing.Do(func() {
		if t.PauseAtMost > 0 {
			t.keeper = retryafter.NewKeeper(retryafter.Config{
				Source: t.Source, Longest: t.PauseAtMost, Within: retryafter.Within, Tell: t.OnPause,
			})
		}
	})
	return t.keeper
}

// heed pauses the key of a request whose response asks for it.
func (t *Transport) heed(ctx context.Context, key string, resp *http.Response) {
	k := t.pauses()
	if k == nil || resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	if d, ok := retryafter.Parse(resp.Header.Get("Retry-After"), time.Now()); ok {
		k.Pause(ctx, key, d)
	}
}

// claimUnpaused waits for a slot of key that is granted while the key is not paused.
// An engine that takes pauses grants none before; one that cannot is looked at again.
func (t *Transport) claimUnpaused(ctx context.Context, key string) (slot.Slot, error) {
	k := t.pauses()
	for {
		if err := waitFor(ctx, k, key); err != nil {
			return nil, &claimError{key, err}
		}
		s, err := claim(ctx, t.Source, key)
		if err != nil || k == nil || k.Left(key) == 0 {
			return s, err
		}
		_ = s.Release() // an error says that it is lost, which does no harm
	}
}

// waitFor waits for the end of the pause of key, as far as this process knows of it.
func waitFor(ctx context.Context, k *retryafter.Keeper, key string) error {
	if k == nil {
		return nil
	}
	for left := k.Left(key); left > 0; left = k.Left(key) {
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}
