package dflockd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// A scenario is a use of the client whose conversation with an original server
// is kept in testdata. It is deterministic: the same requests go out on the
// same connections each time.
type scenario struct {
	flags []string // of the server
	run   func(t *testing.T, opts ...Option)
}

// scenarioName is what the client calls itself in each scenario.
const scenarioName = "scenario:1"

var scenarios = map[string]scenario{
	"claims": {run: func(t *testing.T, opts ...Option) {
		src, err := NewSource(slot.Fixed("crawl", 2), append(opts, WithLease(5*time.Second))...)
		require.NoError(t, err)
		for range 2 {
			a, b := claimNow(t, src, ""), claimNow(t, src, "")
			_, ok, err := src.Try(t.Context(), "")
			require.NoError(t, err)
			require.False(t, ok)
			require.NoError(t, a.Release())
			require.NoError(t, b.Release())
			require.NoError(t, src.Ping(t.Context()))
		}
		require.NoError(t, src.Close(t.Context()))
	}},
	"line": {run: func(t *testing.T, opts ...Option) {
		opts = append(opts, WithLease(3*time.Second))
		src, err := NewSource(slot.Keyed("host:", 1), opts...)
		require.NoError(t, err)
		a := claimNow(t, src, "a.example")
		ticket, err := src.Enqueue(t.Context(), "a.example")
		require.NoError(t, err)
		time.Sleep(700 * time.Millisecond) // the grant will be confirmed
		require.NoError(t, a.Release())
		b, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, b.Info().Queued)
		time.Sleep(2600 * time.Millisecond) // two heartbeats
		require.NoError(t, b.Context().Err())
		require.NoError(t, b.Release())
		require.NoError(t, src.Close(t.Context()))
	}},
	"locks": {run: func(t *testing.T, opts ...Option) {
		a, err := NewLock("report", opts...)
		require.NoError(t, err)
		b, err := NewLock("report", append(opts, WithAcquireTimeout(100*time.Millisecond))...)
		require.NoError(t, err)
		mustAcquire(t, a.holder)
		require.Equal(t, 33*time.Second, a.Lease())
		mustNotAcquire(t, b.holder)
		require.NoError(t, a.Release())
		mustAcquire(t, b.holder)
		require.NoError(t, b.Close())
	}},
	"refusals": {flags: []string{"--max-locks", "1", "--max-waiters", "1"}, run: func(t *testing.T, opts ...Option) {
		src, err := NewSource(slot.Fixed("crawl", 2), append(opts, WithLease(5*time.Second))...)
		require.NoError(t, err)
		claimNow(t, src, "")
		claimNow(t, src, "")
		three, err := NewSemaphore("crawl", 3, opts...)
		require.NoError(t, err)
		_, err = three.Enqueue(t.Context())
		require.ErrorIs(t, err, ErrLimitMismatch)
		other, err := NewLock("other", opts...)
		require.NoError(t, err)
		_, err = other.Enqueue(t.Context())
		require.ErrorIs(t, err, ErrMaxLocks)
		_, err = src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		_, err = src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, ErrMaxWaiters)
		require.NoError(t, src.Close(t.Context()))
	}},
	"secret": {flags: []string{"--auth-token", "sesame"}, run: func(t *testing.T, opts ...Option) {
		right, err := NewSource(slot.Fixed("crawl", 2), append(opts, WithAuth("sesame"))...)
		require.NoError(t, err)
		require.NoError(t, right.Ping(t.Context()))
		require.NoError(t, right.Close(t.Context()))
		wrong, err := NewSource(slot.Fixed("crawl", 2), append(opts, WithAuth("barley"))...)
		require.NoError(t, err)
		require.ErrorIs(t, wrong.Ping(t.Context()), ErrAuth)
		require.NoError(t, wrong.Close(t.Context()))
		none, err := NewSource(slot.Fixed("crawl", 2), opts...)
		require.NoError(t, err)
		require.ErrorIs(t, none.Ping(t.Context()), ErrAuth)
		require.NoError(t, none.Close(t.Context()))
	}},
}

// utterance is what went one way on one connection at one time.
type utterance struct {
	conn int
	sent bool // by the client
	at   time.Duration
	text string
}

func (u utterance) String() string {
	arrow := "<"
	if u.sent {
		arrow = ">"
	}
	return fmt.Sprintf("%d %s %d %s", u.conn, arrow, u.at.Milliseconds(), strconv.Quote(u.text))
}

// recorder notes what goes over the connections that it dials.
type recorder struct {
	mu    sync.Mutex
	start time.Time
	conns int
	said  []utterance
}

func (r *recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	return &recorded{c, r, r.conns - 1}, nil
}

type recorded struct {
	net.Conn
	r *recorder
	n int
}

func (c *recorded) note(sent bool, b []byte) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.said = append(c.r.said, utterance{c.n, sent, time.Since(c.r.start), string(b)})
}

func (c *recorded) Write(b []byte) (int, error) {
	c.note(true, b)
	return c.Conn.Write(b)
}

func (c *recorded) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.note(false, b[:n])
	}
	return n, err
}

// TestRecordTranscripts runs the scenarios against the original server and
// writes what was said to testdata. It is run by hand, with BERTH_RECORD set
// to the release of the server.
func TestRecordTranscripts(t *testing.T) {
	release := os.Getenv("BERTH_RECORD")
	if release == "" {
		t.Skip("BERTH_RECORD is not set: the transcripts stay as they are")
	}
	path := lockserver.Original(t)
	for name, sc := range scenarios {
		addr, _ := lockserver.Start(t, path, sc.flags...)
		r := &recorder{start: time.Now()}
		sc.run(t, WithServers(addr), WithDialer(r.dial), WithName(scenarioName))
		var b strings.Builder
		fmt.Fprintf(&b, "# dflockd %s\n# flags: %v\n# recorded: %s\n", release, sc.flags, time.Now().Format(time.DateOnly))
		b.WriteString("# connection, > sent by the client or < by the server, milliseconds since the start, text\n")
		r.mu.Lock()
		for _, u := range r.said {
			b.WriteString(u.String() + "\n")
		}
		r.mu.Unlock()
		require.NoError(t, os.MkdirAll("testdata/transcripts", 0o755))
		require.NoError(t, os.WriteFile(filepath.Join("testdata/transcripts", name+".txt"), []byte(b.String()), 0o644))
	}
}

func readTranscript(t *testing.T, name string) (said []utterance) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata/transcripts", name+".txt"))
	require.NoError(t, err)
	defer f.Close()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), "#") {
			continue
		}
		var u utterance
		var arrow, quoted string
		var ms int
		_, err := fmt.Sscanf(scanner.Text(), "%d %s %d %q", &u.conn, &arrow, &ms, &quoted)
		require.NoError(t, err)
		u.sent, u.at, u.text = arrow == ">", time.Duration(ms)*time.Millisecond, quoted
		said = append(said, u)
	}
	require.NoError(t, scanner.Err())
	return said
}

// TestTranscriptsOfTheOriginalServerAreUnderstood has the client talk to what
// an original server said. What the client sends must be what it sent then.
func TestTranscriptsOfTheOriginalServerAreUnderstood(t *testing.T) {
	for name, sc := range scenarios {
		t.Run(name, func(t *testing.T) {
			said := readTranscript(t, name)
			require.NotEmpty(t, said)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				conns := 0
				n := newNetwork(nil)
				var replays sync.WaitGroup
				n.serve = func(c net.Conn) {
					mu.Lock()
					mine := conns
					conns++
					mu.Unlock()
					replay(t, c, said, mine, start)
					replays.Done()
				}
				sc.run(t, WithName(scenarioName), WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
					replays.Add(1)
					return n.dial(ctx, network, address)
				}))
				n.reset()
				replays.Wait()
				last := 0
				for _, u := range said {
					last = max(last, u.conn)
				}
				require.Equal(t, last+1, conns, "connections")
			})
		})
	}
}

// replay plays the server's part of one connection.
func replay(t *testing.T, c net.Conn, said []utterance, conn int, start time.Time) {
	defer c.Close()
	for _, u := range said {
		switch {
		case u.conn != conn:
		case u.sent:
			got := make([]byte, len(u.text))
			if _, err := io.ReadFull(c, got); err != nil {
				t.Errorf("connection %d: %v instead of %q", conn, err, u.text)
				return
			}
			if string(got) != u.text {
				t.Errorf("connection %d: the client sent %q, and %q when it was recorded", conn, got, u.text)
				return
			}
		default:
			time.Sleep(time.Until(start.Add(u.at)))
			if _, err := io.WriteString(c, u.text); err != nil {
				return
			}
		}
	}
	_, _ = io.Copy(io.Discard, c)
}
