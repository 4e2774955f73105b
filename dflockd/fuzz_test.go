package dflockd

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// FuzzAnswers has a server answer a claim and what follows with any bytes at
// all. Whatever they are, the claim ends, nothing spins, and Close leaves nothing
// behind.
func FuzzAnswers(f *testing.F) {
	f.Add("error\nok 00000000000000000000000000000001 5\nok 5\nok\n")
	f.Add("error\ntimeout\nqueued\nok 00000000000000000000000000000001 5\nok 5\nok\n")
	f.Add("ok 1 strict=0 read_timeout_ms=23000 max_lease_s=0 fence=1 tags=1 ping=1\n#1 queued\n#1 ok 00000000000000000000000000000001 5\nok 5\nok\n")
	f.Add("ok 1 strict=1 read_timeout_ms=1 max_lease_s=1 fence=1 tags=0 ping=0\nok 00000000000000000000000000000001 1\nok 0\n")
	f.Add("ok 1 tags=1 fence=1 limits=1 inspect=1 control=1 pace=1\n#1 queued 7\n#1 ok 00000000000000000000000000000001 5\nok 5 paused_ms=900\nerror_revoked\n")
	f.Add("error_auth\n")
	f.Add("HTTP/1.1 400 Bad Request\r\n\r\n")
	f.Add("error\n" + strings.Repeat("x", 5000) + "\n")
	f.Fuzz(func(t *testing.T, answers string) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(func(c net.Conn) {
				defer c.Close()
				_, _ = io.WriteString(c, answers)
				_, _ = io.Copy(io.Discard, c)
			})
			src, err := NewSource(slot.Fixed("k", 1), WithDialer(n.dial), WithLease(5*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, _ = acquire(ctx, src)
			<-ctx.Done()
			if dials, _ := n.counts(); dials > 60 {
				t.Fatalf("%d dials in a minute", dials)
			}
			_ = src.Close(context.Background())
			n.reset()
		})
	})
}

// FuzzLine reads lines as the connection does: never more than the limit, and
// never a line that is not there.
func FuzzLine(f *testing.F) {
	f.Add("ok\nerror\r\n", 5)
	f.Add(strings.Repeat("x", 100)+"\n", 10)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 1 || limit > 10_000 {
			t.Skip("no limit that is used")
		}
		r := bufio.NewReaderSize(strings.NewReader(text), 16)
		rest := text
		for {
			line, err := readLine(r, limit)
			if err != nil {
				return
			}
			want, after, _ := strings.Cut(rest, "\n")
			if got := string(line); got != strings.TrimSuffix(want, "\r") || len(got) > limit {
				t.Fatalf("%q of %q", got, want)
			}
			rest = after
		}
	})
}

// FuzzHandshake greets a server that says anything.
func FuzzHandshake(f *testing.F) {
	f.Add("ok\nok 1 strict=1\n", "x")
	f.Fuzz(func(t *testing.T, answers, secret string) {
		if wire.CheckSecret(secret) != nil {
			t.Skip("the option refuses it")
		}
		cfg, err := newConfig([]Option{WithAuth(secret)})
		if err != nil {
			t.Fatal(err)
		}
		e := newEndpoint(cfg, defaultServer)
		defer e.stop()
		c := &conn{e: e, rw: discard{}, reader: bufio.NewReader(strings.NewReader(answers))}
		if _, err := e.greet(c); err != nil && len(secret) > 8 && strings.Contains(err.Error(), secret) && !strings.Contains(answers, secret) {
			t.Fatal("the error shows the secret")
		}
	})
}

type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// FuzzAddress reads the address of a server. One that is accepted has one spelling,
// which is accepted, too.
func FuzzAddress(f *testing.F) {
	for _, a := range []string{"127.0.0.1:6388", "[::ffff:127.0.0.1]:6388", "LOCKS.example.:06388", "[fe80::1%eth0]:1", ":6388", "host:0", "host:65536", "[::1:6388"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if checkAddress(address) != nil {
			return
		}
		once := spelled(address)
		if err := checkAddress(once); err != nil && strings.Trim(once, ":0123456789") != "" {
			t.Fatalf("%q is spelled %q: %v", address, once, err)
		}
		if twice := spelled(once); twice != once {
			t.Fatalf("%q is spelled %q, and that %q", address, once, twice)
		}
	})
}
