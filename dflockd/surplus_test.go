package dflockd

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

const (
	strayToken = "00000000000000000000000000009999"
	strayGrant = "ok " + strayToken + " 4"
)

// TestBytesBeyondAnAnswerNeverBecomeAGrant has a server say more than it was
// asked for, in each phase of a connection. All its slots are taken, so whoever
// is granted one was granted what the server never gave.
func TestBytesBeyondAnAnswerNeverBecomeAGrant(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  []Option
		extra map[wire.Command]string // answered once
	}{
		"after hello":                {extra: map[wire.Command]string{wire.Hello: "error\n" + strayGrant}},
		"a part of a line":           {extra: map[wire.Command]string{wire.Hello: "error\n" + strayGrant[:9]}},
		"after the secret":           {opts: []Option{WithAuth("sesame")}, extra: map[wire.Command]string{wire.Auth: "ok\n" + strayGrant}},
		"after what hello can do":    {extra: map[wire.Command]string{wire.Hello: strictHello + "\n" + strayGrant}},
		"after the answer to sl":     {extra: map[wire.Command]string{wire.SemLock: "timeout\n" + strayGrant}},
		"a part after the answer":    {extra: map[wire.Command]string{wire.SemLock: "timeout\n" + strayGrant[:9]}},
		"before se and sw are heard": {extra: map[wire.Command]string{wire.SemLock: "timeout\nqueued\n" + strayGrant}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := busy(t)
				usual, said := p.answer, map[wire.Command]bool{}
				p.answer = func(from int, r wire.Request) string {
					if extra, ok := tc.extra[r.Command]; ok && !said[r.Command] {
						said[r.Command] = true
						return extra
					}
					return usual(from, r)
				}
				src := newTestSource(t, p, slot.Fixed("k", 1), tc.opts...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				ticket, err := src.Enqueue(ctx, "")
				if err == nil {
					var s slot.Slot
					s, err = ticket.Wait(ctx)
					require.Nil(t, s)
				}
				require.Error(t, err)
				synctest.Wait()
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, r := range p.requests {
					require.NotEqual(t, strayToken, string(r.Token.AppendTo(nil)), "%v", r.Command)
				}
			})
		})
	}
}

func TestBytesBeyondTheHandshakeRefuseTheConnection(t *testing.T) {
	for _, extra := range []string{"\n", "o", "\n" + strayGrant} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, func(int, wire.Request) string { return "error\n" + extra })
			src := newTestSource(t, p, slot.Fixed("k", 1))
			_, err := src.endpoints[0].connect(t.Context(), defaultServer, "")
			require.ErrorIs(t, err, ErrProtocol, "%q", extra)
		})
	}
}

// TestAPartOfALineIsNotCompletedByTheNextAnswer: "ok TOKEN 4 " and then
// "timeout" would make a grant with one field more.
func TestAPartOfALineIsNotCompletedByTheNextAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		for range 2 {
			require.NoError(t, src.Ping(t.Context()))
			p.mu.Lock()
			c := p.conns[len(p.conns)-1]
			p.mu.Unlock()
			_, _ = io.WriteString(c, strayGrant+" ")
			synctest.Wait()
			require.Zero(t, conns(src))
			time.Sleep(time.Second)
		}
	})
}

func TestAnAnswerThatComesBeforeItsRequestIsWrittenBreaksTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		require.NoError(t, src.Ping(t.Context()))
		e := src.endpoints[0]
		e.lock()
		cl := &claim{e: e, order: order{name: "k", limit: 1, verbs: semaphoreVerbs}}
		cl.changed = make(chan struct{}, 1)
		var c *conn
		for c = range e.conns {
		}
		cl.begin(c, time.Now()) // gathered, and not written before mu is free
		err := c.answer([]byte(strayGrant), time.Now())
		c.fail(broken(errUnasked), time.Now()) // as its reader would; and else the test would not end
		e.unlock()
		require.ErrorIs(t, err, ErrProtocol)
		require.ErrorIs(t, cl.err, slot.ErrUnavailable)
	})
}

func TestOneTokenForTwoGrantsBreaksTheConnection(t *testing.T) {
	for name, keys := range map[string][2]string{"two keys": {"a", "b"}, "one key twice": {"a", "a"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p *peer
				p = newPeer(t, func(_ int, r wire.Request) string {
					if r.Command == wire.SemLock {
						return strayGrant
					}
					return p.grants(r)
				})
				src := newTestSource(t, p, slot.Keyed("", 2))
				first := claimNow(t, src, keys[0])
				_, err := src.Enqueue(t.Context(), keys[1])
				require.ErrorIs(t, err, ErrProtocol)
				lostBecause(t, first, ErrProtocol)
				synctest.Wait()
				require.Zero(t, conns(src))
				require.Zero(t, p.count(wire.SemRelease), "nobody knows whose it is")
			})
		})
	}
}

func TestOneTokenForASlotAndAGrantToBeConfirmedBreaksTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		usual := p.answer
		p.answer = func(from int, r wire.Request) string {
			switch {
			case r.Command == wire.Hello:
				return "ok 1 strict=0 read_timeout_ms=23000 max_lease_s=0 fence=1 tags=1 ping=1"
			case r.Command == wire.SemRenew:
				return "" // the confirmation hangs
			}
			if line := usual(from, r); r.Tag != 0 && line != "" {
				return "#" + string('0'+rune(r.Tag)) + " " + line
			}
			return ""
		}
		src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(time.Minute))
		one, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		two, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		p.say(0, "#1 ok "+strayToken+" 60\n#2 ok "+strayToken+" 60")
		for _, ticket := range []slot.Ticket{one, two} {
			_, err := ticket.Wait(t.Context())
			require.ErrorIs(t, err, ErrProtocol)
		}
	})
}
