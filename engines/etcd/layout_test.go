package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berth-go/berth/slot"
)

var names = []string{"a", "a/b", "a/c/", "a%2Fb", "a b", "ä", "\x00", "\xff", "", "report:7"}

func TestNoLineIsAPartOfAnother(t *testing.T) {
	keys := layout{"berth/"}
	for i, a := range names {
		for j, b := range names {
			require.Equal(t, i == j, strings.HasPrefix(keys.line(a), keys.line(b)), "%q and %q", a, b)
		}
		require.False(t, strings.HasPrefix(keys.line(a), keys.session(7)))
		require.Equal(t, 3, strings.Count(keys.line(a), "/"), "%q", a)
	}
}

func TestAClaimsKeyTellsItsLimit(t *testing.T) {
	prefix := layout{"berth/"}.line("x")
	for _, limit := range []int{1, 2, 255, 256, largestLimit} {
		got, ok := limitOf(prefix, claimID(prefix, limit, -1, 3))
		require.True(t, ok)
		require.Equal(t, limit, got)
	}
	for _, other := range []string{pauseOf(prefix), prefix, prefix + "c/", prefix + "c/zz/1/1", prefix + "c/00000000/1/1", prefix + "c/00000001", "elsewhere"} {
		_, ok := limitOf(prefix, other)
		require.False(t, ok, other)
	}
}

// What the first two keys of a line tell depends on their order.
func TestAPauseComesFirstAndThenTheSmallestLimit(t *testing.T) {
	prefix := layout{"berth/"}.line("x")
	keys := []string{
		pauseOf(prefix), claimID(prefix, 1, 9, 0), claimID(prefix, 2, 3, 0), claimID(prefix, 2, 3, 1), claimID(prefix, 2, 3, 255),
		claimID(prefix, 2, 3, 256), claimID(prefix, 16, 1, 0), claimID(prefix, 17, 1, 0), claimID(prefix, largestLimit, 0, 0),
	}
	require.True(t, slices.IsSorted(keys))
	for from := range keys {
		r := &etcdserverpb.RangeResponse{Count: int64(len(keys) - from)}
		for _, key := range keys[from:min(from+2, len(keys))] {
			r.Kvs = append(r.Kvs, &mvccpb.KeyValue{Key: []byte(key)})
		}
		want := tail{ahead: len(keys) - max(from, 1), paused: from == 0}
		want.smallest, _ = limitOf(prefix, keys[max(from, 1)])
		require.Equal(t, want, tailOf(prefix, r))
	}
	require.Equal(t, tail{}, tailOf(prefix, &etcdserverpb.RangeResponse{}))
	alone := &etcdserverpb.RangeResponse{Count: 1, Kvs: []*mvccpb.KeyValue{{Key: []byte(pauseOf(prefix))}}}
	require.Equal(t, tail{paused: true}, tailOf(prefix, alone))
}

func TestNamesAndLimitsThatDoNotFitAreRefusedForGood(t *testing.T) {
	require.NoError(t, checkClaim(strings.Repeat("x", longestName), largestLimit))
	err := checkClaim(strings.Repeat("x", longestName+1), 1)
	require.ErrorIs(t, err, slot.ErrKey)
	require.True(t, slot.IsPermanent(err))
	err = checkClaim("x", largestLimit+1)
	require.ErrorContains(t, err, fmt.Sprint(largestLimit))
	require.True(t, slot.IsPermanent(err))
}
