package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseAddress takes any URL of an engine apart. What is put together again is
// taken apart in the same way, and what stands in front of an @ is never said.
func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{
		"dflockd://127.0.0.1:6388", "dflockd://a:1,b,[::1]:2?strict&lease=30s", "etcd://a:2379/team/?lease=1m",
		"redis:///run/redis.sock", "rediss://user:sesame@host", "", "127.0.0.1:6388", "dflockd://?a=%zz",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseAddress(text)
		if err != nil {
			if i := strings.LastIndexByte(text, '@'); i > 8 {
				require.NotContains(t, err.Error(), text[:i])
			}
			return
		}
		again, err := ParseAddress(at.Scheme + "://" + strings.Join(at.Hosts, ",") + at.Path + "?" + at.Options.Encode())
		require.NoError(t, err)
		require.Equal(t, at, again)
		servers, err := at.servers("6388")
		if err == nil {
			require.Len(t, servers, len(at.Hosts))
		}
		for name := range at.Options {
			_, _ = at.flag(name)
			if d, err := at.duration(name); err == nil {
				require.Positive(t, d)
			}
		}
	})
}
