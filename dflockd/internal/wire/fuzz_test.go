package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRequest holds that whatever parses is written back as a request that
// parses to the same, and that no field of it breaks a line.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"l", "k", "10 33"}, {"#17 se", "k", "4 5"}, {"auth", "_", "open sesame"}, {"sr", "é", tokenText},
		{"hello", "_", "1"}, {"hello", "_", "1 later servers=0/3 x=y"}, {"hello", "_", "1 limits servers=0/1"}, {"hello", "_", "1 fields name=web3:4711"}, {"inspect", "k", "_"},
		{"pause", "k", "1500"}, {"pause", "k", "0 " + tokenText}, {"revoke", "k", "00000000000000ff"}, {"x", "k", ""}, {"pl", "k", "5 3 100000000 1"}, {"#3 pe", "k", "3 86400000000000 10000 9"}, {"pe", "k", "3 0 1"}, {"sl", "k", "0 9223372036854775807 9223372036"}, {"stats", "", "junk"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, cmd, key, arg []byte) {
		r, err := ParseRequest(cmd, key, arg)
		if err != nil {
			require.IsType(t, &FieldError{}, err)
			return
		}
		if r.Token.IsZero() && (r.Command == Release || r.Command == Renew || r.Command == SemRelease || r.Command == SemRenew) {
			return // the zero token may be asked for, and is never granted
		}
		out, err := AppendRequest(nil, &r)
		require.NoError(t, err)
		require.Equal(t, 3, bytes.Count(out, []byte("\n")))
		back, err := ParseRequest(lines(t, out))
		require.NoError(t, err)
		require.True(t, r == back, "%q is read back differently", out)
	})
}

// FuzzReply holds the same of replies: what parses is written back as a line
// that parses to the same.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{"ok", "ok 5", "ok 5 x paused_ms=7", "queued", "queued 7", "queued x", "timeout", "ok " + tokenText + " 33", "acquired " + tokenText + " 33",
		"#5 ok", "error_not_leader a:1", "error_new thing", `ok {"connections":1}`} {
		for c := Auth; c < numCommands; c++ {
			f.Add(uint8(c), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, c uint8, line []byte) {
		r, err := ParseReply(Command(c), line)
		if err != nil {
			require.ErrorIs(t, err, ErrGrammar)
			return
		}
		out := AppendReply(nil, Command(c), r)
		require.Equal(t, 1, bytes.Count(out, []byte("\n")))
		back, err := ParseReply(Command(c), out[:len(out)-1])
		require.NoError(t, err, "%q", out)
		require.True(t, r == back, "%q is read back differently", out)
	})
}

// FuzzFeatures holds the same of what a server says of itself.
func FuzzFeatures(f *testing.F) {
	for _, seed := range []string{
		"1", "1 strict=1 read_timeout_ms=23000 max_lease_s=0 fence=1 tags=1 ping=1", "1 later=x limits=1 inspect=1 control=1 id=0123456789abcdef",
		"2 strict=1", "1 id=0123456789ABCDEF", "1 max_lease_s=9223372037", "1 strict", "1 strict=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		features, err := ParseFeatures(text)
		if err != nil {
			require.ErrorIs(t, err, ErrGrammar)
			return
		}
		back, err := ParseFeatures(features.String())
		require.NoError(t, err)
		require.Equal(t, features, back)
	})
}
