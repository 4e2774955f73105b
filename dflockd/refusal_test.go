package dflockd

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// guarded is generous to those that show the right secret, which can change: ""
// means that there is none.
func guarded(t *testing.T, secret *atomic.Value) *peer {
	var p *peer
	in := map[int]bool{}
	p = newPeer(t, func(from int, r wire.Request) string {
		right := secret.Load().(string)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case r.Command == wire.Auth && right == "":
			return "error"
		case r.Command == wire.Auth && string(r.Secret) == right:
			in[from] = true
			return "ok"
		case right != "" && !in[from]:
			return "error_auth"
		}
		p.mu.Unlock()
		defer p.mu.Lock()
		return p.grants(r)
	})
	return p
}

func value(s string) *atomic.Value {
	v := &atomic.Value{}
	v.Store(s)
	return v
}

func TestASecretThatWasNeverRightIsRefusedForGood(t *testing.T) {
	for name, tc := range map[string]struct {
		right string
		opts  []Option
	}{
		"wrong":    {"sesame", []Option{WithAuth("barley")}},
		"missing":  {"sesame", nil},
		"too many": {"", []Option{WithAuth("barley")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				secret := value(tc.right)
				p := guarded(t, secret)
				src := newTestSource(t, p, slot.Fixed("k", 1), tc.opts...)
				lock, err := NewLock("k", append(tc.opts, WithDialer(p.dial))...)
				require.NoError(t, err)
				start := time.Now()
				for range 1000 {
					_, err := src.Enqueue(t.Context(), "")
					requireAuthRefused(t, err)
					_, err = lock.Acquire(t.Context())
					requireAuthRefused(t, err)
				}
				require.Zero(t, time.Since(start), "at once")
				dials, _ := p.counts()
				require.LessOrEqual(t, dials, 4, "and without a dial for each")
				time.Sleep(longestBackoff)
				_, err = src.Enqueue(t.Context(), "")
				requireAuthRefused(t, err)
				later, _ := p.counts()
				require.Greater(t, later, dials, "it is asked again")

				secret.Store(map[string]string{"wrong": "barley", "too many": "barley"}[name])
				time.Sleep(longestBackoff)
				claimNow(t, src, "")
				time.Sleep(longestBackoff)
				mustAcquire(t, lock.holder)
				require.NoError(t, lock.Release())
			})
		})
	}
}

func requireAuthRefused(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ErrAuth)
	require.True(t, slot.IsPermanent(err))
	require.NotErrorIs(t, err, slot.ErrUnavailable)
	require.NotContains(t, err.Error(), "barley")
}

func TestASecretThatWasAcceptedOnceIsTriedAgain(t *testing.T) {
	for name, opts := range map[string][]Option{"with a secret": {WithAuth("sesame")}, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				right := map[bool]string{true: "sesame"}[opts != nil]
				secret := value(right)
				p := guarded(t, secret)
				src := newTestSource(t, p, slot.Fixed("k", 1), opts...)
				require.NoError(t, claimNow(t, src, "").Release())
				secret.Store("barley")
				p.reset()
				synctest.Wait()
				before, _ := p.counts()
				end := time.Now().Add(time.Minute)
				for time.Now().Before(end) {
					_, err := src.Enqueue(t.Context(), "")
					require.ErrorIs(t, err, slot.ErrUnavailable)
					require.False(t, slot.IsPermanent(err))
					time.Sleep(10 * time.Millisecond)
				}
				after, _ := p.counts()
				require.Less(t, after-before, 80, "the gate paces it")
				_, err := src.Enqueue(t.Context(), "")
				require.ErrorIs(t, err, ErrAuth, "and says why")
				secret.Store(right)
				time.Sleep(longestBackoff)
				claimNow(t, src, "")
			})
		})
	}
}

func TestAServerThatHangsUpInsteadOfLookingAtTheSecretIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, func(int, wire.Request) string { return "close" })
		src := newTestSource(t, p, slot.Fixed("k", 1), WithAuth("sesame"))
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.NotErrorIs(t, err, ErrAuth)
		require.False(t, slot.IsPermanent(err))
	})
}

// TestWhatWaitingCannotCureSaysSo holds the last column of the table of errors in
// the package documentation.
func TestWhatWaitingCannotCureSaysSo(t *testing.T) {
	src, err := NewSource(slot.Keyed("", 1), WithServers("a:1", "b:2"), WithSharding(func(string, int) int { return 7 }))
	require.NoError(t, err)
	_, sharding := src.Enqueue(t.Context(), "k")
	_, empty := src.Enqueue(t.Context(), "")
	_, space := src.Enqueue(t.Context(), "x y")
	require.NoError(t, src.Close(t.Context()))
	_, limit := NewSource(slot.Fixed("k", 0))
	for _, err := range []error{limit, sharding, empty, space, ErrClosed, errs.Lost(ErrClosed), errs.Unavailable(ErrClosed)} {
		require.True(t, slot.IsPermanent(err), err)
	}
	require.ErrorIs(t, empty, slot.ErrKey)
	require.ErrorIs(t, space, slot.ErrKey)
	for status := wire.Error; status <= wire.ErrorOther; status++ {
		require.False(t, slot.IsPermanent(refusal(wire.Reply{Status: status})), status)
	}
	for _, err := range []error{ErrTimeout, ErrDraining, ErrNotHeld, ErrProtocol, ErrAuth, errors.New("x"), nil} {
		require.False(t, slot.IsPermanent(err), err)
	}
}
