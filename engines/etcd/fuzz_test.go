package etcd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRecord reads what stands in etcd. What could be read is written as it was read.
func FuzzRecord(f *testing.F) {
	f.Add("web3:4711 1790000000000 3")
	f.Add("web3 -1 0")
	f.Add("web3 9223372036854775807 255")
	f.Add("a b c d")
	f.Fuzz(func(t *testing.T, value string) {
		r := parseRecord(value)
		if r == (record{}) {
			return
		}
		require.Equal(t, r, parseRecord(r.String()))
	})
}

// FuzzClaimKey reads the limit in the key of a claim.
func FuzzClaimKey(f *testing.F) {
	f.Add("c/00000002/326963a02758b527/00000000")
	f.Add("c/7fffffff/0/0")
	f.Add("c/80000000/0/0")
	f.Add("a")
	f.Fuzz(func(t *testing.T, rest string) {
		prefix := layout{root: "berth/"}.line("report:7")
		limit, ok := limitOf(prefix, prefix+rest)
		if !ok {
			return
		}
		require.Positive(t, limit)
		require.LessOrEqual(t, limit, largestLimit)
		again, ok := limitOf(prefix, claimID(prefix, limit, 1, 2))
		require.True(t, ok)
		require.Equal(t, limit, again)
		_, ok = limitOf(layout{root: "berth/"}.line("report"), prefix+rest)
		require.False(t, ok, "it is a key of another line")
	})
}

// FuzzLineKey writes the name of any semaphore into keys: no line is a part of another.
func FuzzLineKey(f *testing.F) {
	f.Add("report:7", "report")
	f.Add("a/b", "a")
	f.Add("", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		l := layout{root: "berth/"}
		require.Equal(t, a == b, strings.HasPrefix(l.line(a), l.line(b)))
	})
}

// FuzzVersion reads the version of a server.
func FuzzVersion(f *testing.F) {
	for _, v := range []string{"3.5.14", "v3.7.0-rc.1", "3.6.0+git", "3.5", "3.5.-1", "3.5.2147483648"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := parseVersion(text)
		if !ok {
			require.ErrorIs(t, checkVersion(text), ErrVersion)
			return
		}
		again, ok := parseVersion(v.String())
		require.True(t, ok)
		require.Equal(t, v, again)
		require.Equal(t, v.before(oldest), checkVersion(text) != nil)
	})
}
