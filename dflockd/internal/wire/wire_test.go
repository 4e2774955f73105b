package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/gcra"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tokenText = "00000000000000ff0123456789abcdef"

func token(t testing.TB) Token {
	tok, ok := ParseToken([]byte(tokenText))
	require.True(t, ok)
	return tok
}

func lines(t testing.TB, request []byte) (cmd, key, arg []byte) {
	parts := bytes.Split(request, []byte("\n"))
	require.Len(t, parts, 4, "a request is three lines")
	require.Empty(t, parts[3])
	return parts[0], parts[1], parts[2]
}

func TestEveryCommandIsWrittenAsTheProtocolSays(t *testing.T) {
	tok := token(t)
	for _, tc := range []struct {
		request Request
		want    string
	}{
		{Request{Command: Auth, Secret: "open sesame"}, "auth\n_\nopen sesame\n"},
		{Request{Command: Lock, Key: "k", Timeout: 10, Limit: 1}, "l\nk\n10\n"},
		{Request{Command: Lock, Key: "k", Timeout: 10, Lease: 60, Limit: 1}, "l\nk\n10 60\n"},
		{Request{Command: Release, Key: "k", Token: tok, Limit: 1}, "r\nk\n" + tokenText + "\n"},
		{Request{Command: Renew, Key: "k", Token: tok, Lease: 5, Limit: 1}, "n\nk\n" + tokenText + " 5\n"},
		{Request{Command: Enqueue, Key: "k", Limit: 1}, "e\nk\n\n"},
		{Request{Command: Enqueue, Key: "k", Lease: 7, Limit: 1}, "e\nk\n7\n"},
		{Request{Command: Wait, Key: "k", Limit: 1}, "w\nk\n0\n"},
		{Request{Command: SemLock, Key: "k", Timeout: 1, Limit: 2, Lease: 3}, "sl\nk\n1 2 3\n"},
		{Request{Command: SemRelease, Key: "k", Token: tok, Limit: 1}, "sr\nk\n" + tokenText + "\n"},
		{Request{Command: SemRenew, Key: "k", Token: tok, Limit: 1}, "sn\nk\n" + tokenText + "\n"},
		{Request{Command: SemEnqueue, Key: "k", Limit: 4, Lease: 5}, "se\nk\n4 5\n"},
		{Request{Command: SemEnqueue, Key: "k", Limit: 4, Lease: 5, Tag: 17}, "#17 se\nk\n4 5\n"},
		{Request{Command: SemWait, Key: "k", Timeout: 9, Limit: 1}, "sw\nk\n9\n"},
		{Request{Command: PacedLock, Key: "k", Timeout: 1, Limit: 2, Pace: gcra.Pace{Interval: 1500, Burst: 4}, Lease: 3}, "pl\nk\n1 2 1500 4 3\n"},
		{Request{Command: PacedEnqueue, Key: "k", Limit: 2, Pace: gcra.Pace{Interval: gcra.MaxInterval, Burst: 1}}, "pe\nk\n2 86400000000000 1\n"},
		{Request{Command: Stats, Limit: 1}, "stats\n_\n_\n"},
		{Request{Command: Ping, Limit: 1}, "ping\n_\n_\n"},
		{Request{Command: Hello, Limit: 1}, "hello\n_\n1\n"},
		{Request{Command: Hello, Limit: 1, List: ServerList{2, 3}}, "hello\n_\n1 servers=2/3\n"},
		{Request{Command: StableRef, Secret: "ref-1"}, "stable-ref\nref-1\n\n"},
		{Request{Command: Barrier, Limit: 1}, "barrier\n_\n\n"},
		{Request{Command: Leave, Key: "k", Tag: math.MaxInt64, Limit: 1}, "#9223372036854775807 x\nk\n\n"},
	} {
		got, err := AppendRequest(nil, &tc.request)
		require.NoError(t, err, "%v", tc.request.Command)
		require.Equal(t, tc.want, string(got))

		back, err := ParseRequest(lines(t, got))
		require.NoError(t, err, "%q", tc.want)
		tc.request.Limit = max(tc.request.Limit, 1)
		back.Limit = max(back.Limit, 1)
		require.True(t, tc.request == back, "%q reads back as something else", tc.want)
	}
}

func TestRequestThatDoesNotFitIsRefusedAndAppendsNothing(t *testing.T) {
	long := strings.Repeat("k", MaxLine+1)
	lock := func(key string) Request { return Request{Command: Lock, Key: key} }
	for name, r := range map[string]Request{
		"no command":             {Key: "k"},
		"unknown command":        {Command: numCommands, Key: "k"},
		"empty key":              lock(""),
		"key with line break":    lock("a\nb"),
		"key with return":        lock("a\rb"),
		"key with NUL":           lock("a\x00b"),
		"key with space":         lock("a b"),
		"key with tab":           lock("a\tb"),
		"key with C1 control":    lock("a\u0085b"),
		"key of 257 bytes":       lock(long),
		"key of bad UTF-8":       lock("a\xff"),
		"secret with line break": {Command: Auth, Secret: "a\nl\nk\n1"},
		"secret with NUL":        {Command: Auth, Secret: "a\x00"},
		"secret empty":           {Command: Auth},
		"secret of spaces":       {Command: Auth, Secret: " "},
		"secret of 257 bytes":    {Command: Auth, Secret: Secret(long)},
		"secret of bad UTF-8":    {Command: Auth, Secret: "\xc0"},
		"reference of 65 bytes":  {Command: StableRef, Secret: Secret(long[:65])},
		"reference not ASCII":    {Command: StableRef, Secret: "é"},
		"no token":               {Command: Release, Key: "k"},
		"negative timeout":       {Command: Lock, Key: "k", Timeout: -1},
		"timeout that wraps":     {Command: Lock, Key: "k", Timeout: MaxSeconds + 1},
		"negative lease":         {Command: Lock, Key: "k", Lease: -1},
		"lease that wraps":       {Command: Lock, Key: "k", Lease: 18446744074},
		"no pace":                {Command: PacedLock, Key: "k", Limit: 1},
		"pace of two days":       {Command: PacedEnqueue, Key: "k", Limit: 1, Pace: gcra.Pace{Interval: 2 * gcra.MaxInterval, Burst: 1}},
		"no burst":               {Command: PacedEnqueue, Key: "k", Limit: 1, Pace: gcra.Pace{Interval: 1}},
		"limit of 0":             {Command: SemLock, Key: "k"},
		"negative limit":         {Command: SemLock, Key: "k", Limit: -1},
		"server beyond its list": {Command: Hello, List: ServerList{3, 3}},
		"tag of 2^63":            {Command: Ping, Tag: 1 << 63},
		"leave without a tag":    {Command: Leave, Key: "k"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AppendRequest([]byte("before"), &r)
			var fe *FieldError
			require.ErrorAs(t, err, &fe)
			require.Equal(t, "before", string(got))
			if r.Secret != "" && r.Secret != " " {
				require.NotContains(t, err.Error(), string(r.Secret))
			}
		})
	}
}

func TestNumbersOnTheWireAreDigitsInRange(t *testing.T) {
	parse := func(arg string) error {
		_, err := ParseRequest([]byte("l"), []byte("k"), []byte(arg))
		return err
	}
	for _, ok := range []string{"0", "0 1", "5", "007 8", "9223372036 9223372036", " 5\t6 "} {
		require.NoError(t, parse(ok), "%q", ok)
	}
	for _, bad := range []string{"", "-1", "+5", "0x5", "5.0", "1e3", "9223372037", "18446744074", "9223372036854775808",
		"5 0", "5 -1", "5 9223372037", "5 6 7", "٣", "1_000", "5,6"} {
		require.Error(t, parse(bad), "%q", bad)
	}
	_, err := ParseRequest([]byte("sl"), []byte("k"), []byte("0 0"))
	require.Error(t, err)
	r, err := ParseRequest([]byte("sl"), []byte("k"), []byte("0 9223372036854775807"))
	require.NoError(t, err)
	require.Equal(t, int64(math.MaxInt64), r.Limit)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	for _, tc := range [][3]string{
		{"", "k", "1"}, {"L", "k", "1"}, {"l ", "k", "1"}, {"nonsense", "k", "1"},
		{"l", "", "1"}, {"l", "a b", "1"}, {"l", "a\x00", "1"}, {"l", "\xff", "1"},
		{"r", "k", ""}, {"r", "k", tokenText + " 1"}, {"r", "k", "short"}, {"r", "k", strings.ToUpper(tokenText)},
		{"n", "k", ""}, {"n", "k", tokenText + " 0"}, {"n", "k", tokenText + " 1 2"},
		{"e", "k", "0"}, {"e", "k", "1 2"}, {"w", "k", ""}, {"se", "k", ""}, {"sw", "k", "1 1"},
		{"auth", "_", ""}, {"auth", "_", " \t "}, {"hello", "_", "2"}, {"hello", "_", "1 name="}, {"hello", "_", "1 name=\x01"}, {"hello", "_", "1 name=" + strings.Repeat("x", 65)}, {"inspect", "", "_"},
		{"pause", "k", ""}, {"pause", "k", "-1"}, {"pause", "k", "1 x"}, {"pause", "k", "9223372036855"}, {"revoke", "k", ""}, {"revoke", "k", "123"},
		{"revoke", "k", "0123456789ABCDEF"}, {"revoke", "k", "0123456789abcdef 1"}, {"hello", "_", ""},
		{"pl", "k", "0 2 0 1"}, {"pl", "k", "0 2 5 0"}, {"pl", "k", "0 2 5"}, {"pl", "k", "0 2 86400000000001 1"}, {"pe", "k", "2 5 10001"}, {"pe", "k", "2 5 1 9 9"},
		{"stable-ref", "", ""}, {"stable-ref", "a", "b"}, {"barrier", "_", "x"},
		{"x", "k", ""}, {"#1", "k", "1"}, {"#0 ping", "_", "_"}, {"#-1 ping", "_", "_"}, {"# ping", "_", "_"},
		{"#9223372036854775808 ping", "_", "_"}, {"#1  ping", "_", "_"},
	} {
		_, err := ParseRequest([]byte(tc[0]), []byte(tc[1]), []byte(tc[2]))
		var fe *FieldError
		require.ErrorAs(t, err, &fe, "%q", tc)
	}
	r, err := ParseRequest([]byte("#8 l"), []byte("k"), []byte("x"))
	require.Error(t, err)
	require.Equal(t, uint64(8), r.Tag, "a refusal must be able to carry the tag")
}

func TestRepliesRoundTrip(t *testing.T) {
	tok := token(t)
	for _, tc := range []struct {
		command Command
		reply   Reply
		want    string
	}{
		{Auth, Reply{Status: OK}, "ok"},
		{Auth, Reply{Status: ErrorAuth}, "error_auth"},
		{Lock, Reply{Status: OK, Token: tok, Seconds: 33}, "ok " + tokenText + " 33"},
		{Lock, Reply{Status: Timeout}, "timeout"},
		{SemLock, Reply{Status: ErrorMaxLocks}, "error_max_locks"},
		{SemLock, Reply{Status: ErrorMaxWaiters}, "error_max_waiters"},
		{SemLock, Reply{Status: ErrorLimitMismatch}, "error_limit_mismatch"},
		{Release, Reply{Status: OK}, "ok"},
		{Release, Reply{Status: Error}, "error"},
		{SemRenew, Reply{Status: OK, Seconds: 0}, "ok 0"},
		{SemRenew, Reply{Status: OK, Seconds: 33, Paused: 1500}, "ok 33 paused_ms=1500"},
		{SemRenew, Reply{Status: ErrorRevoked}, "error_revoked"},
		{Pause, Reply{Status: ErrorNotAllowed}, "error_not_allowed"},
		{Revoke, Reply{Status: ErrorNoHolder}, "error_no_holder"},
		{Enqueue, Reply{Status: Acquired, Token: tok, Seconds: 1}, "acquired " + tokenText + " 1"},
		{SemEnqueue, Reply{Status: Queued, Tag: 17}, "#17 queued"},
		{SemEnqueue, Reply{Status: Queued, Place: 3}, "queued 3"},
		{SemEnqueue, Reply{Status: ErrorAlreadyEnqueued}, "error_already_enqueued"},
		{SemWait, Reply{Status: OK, Token: tok, Seconds: 9, Tag: 3}, "#3 ok " + tokenText + " 9"},
		{Wait, Reply{Status: ErrorNotEnqueued}, "error_not_enqueued"},
		{Wait, Reply{Status: ErrorLeaseExpired}, "error_lease_expired"},
		{Lock, Reply{Status: ErrorDraining}, "error_draining"},
		{Lock, Reply{Status: ErrorNotLeader}, "error_not_leader"},
		{Lock, Reply{Status: ErrorServerList, Text: "one of another"}, "error_server_list one of another"},
		{Lock, Reply{Status: ErrorNotLeader, Text: "10.0.0.1:6388"}, "error_not_leader 10.0.0.1:6388"},
		{Lock, Reply{Status: ErrorOther, Text: "error_on_fire now"}, "error_on_fire now"},
		{Stats, Reply{Status: OK, Text: `{"connections":1}`}, `ok {"connections":1}`},
	} {
		got := string(AppendReply(nil, tc.command, tc.reply))
		require.Equal(t, tc.want+"\n", got)
		back, err := ParseReply(tc.command, []byte(tc.want))
		require.NoError(t, err, tc.want)
		require.True(t, tc.reply == back, "%q reads back as something else", tc.want)
	}
}

func TestFurtherFieldsOfASuccessAreAccepted(t *testing.T) {
	for c, line := range map[Command]string{
		Release: "ok later", SemLock: "ok " + tokenText + " 33 later", SemRenew: "ok 5 later words",
		SemEnqueue: "acquired " + tokenText + " 1 x=y", Ping: "ok pong",
	} {
		_, err := ParseReply(c, []byte(line))
		require.NoError(t, err, "%s: %q", c, line)
	}
}

func TestRepliesOffTheGrammarAreRefused(t *testing.T) {
	for _, tc := range []struct {
		command Command
		line    string
	}{
		{Lock, ""}, {Lock, "ok"}, {Lock, "OK " + tokenText + " 1"}, {Lock, "ok  " + tokenText + " 1"},
		{Lock, "ok " + tokenText}, {Lock, "ok " + tokenText + " 0"}, {Lock, "ok " + tokenText + " -1"},
		{Lock, "ok " + tokenText + " 18446744074"}, {Lock, "ok " + strings.ToUpper(tokenText) + " 1"},
		{Lock, "ok " + strings.Repeat("0", 32) + " 1"}, {Lock, "ok short 1"}, {Lock, "queued"}, {Lock, "acquired " + tokenText + " 1"},
		{Enqueue, "timeout"}, {Enqueue, "ok " + tokenText + " 1"}, {Enqueue, "queued\r"}, {Renew, "ok"}, {Renew, "ok x"}, {Release, "timeout"},
		{Release, "errors"}, {Release, "error_\x00"}, {Release, "error_\xff"}, {Release, "nonsense"}, {Stats, "ok"}, {Stats, "ok "},
		{Ping, "#0 ok"}, {Ping, "#x ok"}, {Ping, "# ok"}, {Ping, "#5ok"}, {numCommands, "ok"}, {0, "ok"},
	} {
		_, err := ParseReply(tc.command, []byte(tc.line))
		require.ErrorIs(t, err, ErrGrammar, "%s: %q", tc.command, tc.line)
		require.NotContains(t, err.Error(), tokenText)
	}
}

func TestTokensAndSecretsNeverPrint(t *testing.T) {
	r := Request{Command: Auth, Secret: "sesame", Token: token(t)}
	reply := Reply{Status: OK, Token: token(t)}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "token", r.Token, "secret", r.Secret, "request", r)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", r.Token, "secret", r.Secret, "reply", reply)
	js, err := json.Marshal([]any{r, reply})
	require.NoError(t, err)
	out.Write(js)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, r, reply, r.Token, r.Secret)
	}
	fmt.Fprint(&out, r.Token.String(), r.Token.GoString(), r.Secret.String(), r.Secret.GoString())
	all := strings.ToLower(out.String())
	require.NotContains(t, all, "sesame")
	require.NotContains(t, all, "736573616d65")
	require.NotContains(t, all, tokenText[16:])
	require.NotContains(t, all, "1 35 69 103")
}

func TestSecondsRoundsUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		-1: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Second: 90, math.MaxInt64: MaxSeconds,
	} {
		require.Equal(t, want, Seconds(d), "%v", d)
	}
}

func TestFeaturesRoundTrip(t *testing.T) {
	f := Features{Strict: true, ReadTimeout: 23 * time.Second, MaxLease: time.Hour, Fence: true, Tags: true, Ping: true, Limits: true, Inspect: true, Control: true, Pace: true, ID: "0123456789abcdef"}
	require.Equal(t, "1 strict=1 read_timeout_ms=23000 max_lease_s=3600 fence=1 tags=1 ping=1 limits=1 inspect=1 control=1 pace=1 id=0123456789abcdef", f.String())
	back, err := ParseFeatures(f.String() + " later=x")
	require.NoError(t, err)
	require.Equal(t, f, back)
	for _, bad := range []string{"", "2 strict=1", "1 strict=yes", "1 strict", "1 max_lease_s=-1", "1 id=", "1 id=0123456789ABCDEF", "1 id=0123"} {
		_, err := ParseFeatures(bad)
		require.ErrorIs(t, err, ErrGrammar, "%q", bad)
	}
}

func TestTokenFenceIsItsFirstHalf(t *testing.T) {
	require.Equal(t, uint64(255), token(t).Fence())
	require.Equal(t, tokenText, string(token(t).AppendTo(nil)))
}

func TestCodecOfAClaimDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 512)
	r := Request{Command: SemLock, Key: "some:key", Limit: 4, Lease: 33}
	grant := []byte("ok " + tokenText + " 33")
	cmd, key, arg := []byte("sl"), []byte("some:key"), []byte("0 4 33")
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := AppendRequest(buf, &r); err != nil {
			t.Error(err)
		}
		reply, err := ParseReply(SemLock, grant)
		if err != nil {
			t.Error(err)
		}
		AppendReply(buf, SemLock, reply)
		if _, err := Parse(cmd, key, arg); err != nil {
			t.Error(err)
		}
	})
	require.Zero(t, allocs)
}
