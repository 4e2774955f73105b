package dflockd

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

func TestEachClaimBringsTheLimitThatItsKeyHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		limits := map[string]int{"free": 1, "paid": 10}
		src := newTestSource(t, p, slot.LimitBy(func(key string) (string, int, error) { return "plan:" + key, limits[key], nil }))
		for key, n := range limits {
			claimNow(t, src, key)
			require.Equal(t, wire.Request{Command: wire.SemLock, Key: "plan:" + key, Limit: int64(n), Lease: 5}, p.last(wire.SemLock).Request)
			known, ok := src.Limit(key)
			require.True(t, ok)
			require.Equal(t, n, known)
		}
	})
}

func TestAKeyWithoutALimitCostsItsClaimAndSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		errX := errors.New("no such customer")
		src := newTestSource(t, p, slot.LimitBy(func(key string) (string, int, error) {
			switch key {
			case "panics":
				panic("boom")
			case "unknown":
				return "", 0, errX
			}
			return key, 1, nil
		}))
		for key, want := range map[string]string{
			"panics":  `dflockd: claim "panics": the function of slot.LimitBy has no limit for key "panics": it panicked: boom`,
			"unknown": `dflockd: claim "unknown": the function of slot.LimitBy has no limit for key "unknown": no such customer`,
			"a b":     `dflockd: claim "a b": the key contains a space`,
		} {
			_, err := src.Enqueue(t.Context(), key)
			require.EqualError(t, err, want)
			require.True(t, slot.IsPermanent(err))
			_, ok := src.Limit(key)
			require.False(t, ok)
			require.Empty(t, src.Partition(key))
		}
		dials, writes := p.counts()
		require.Zero(t, dials+writes)
		claimNow(t, src, "known")
	})
}
