package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(serveAsChild())
	}
	goleak.VerifyTestMain(m)
}

// client is the other end of a connection in tests.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func newClient(t testing.TB, nc net.Conn) *client {
	return &client{t: t, Conn: nc, r: bufio.NewReader(nc)}
}

// start starts a server in memory that ends with the test.
func start(t testing.TB, opts ...Option) *Server {
	s, err := Start(context.Background(), append([]Option{WithInMemory()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func dial(t testing.TB, s *Server) *client {
	nc, err := s.Dial(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc)
}

// startTCP starts a server on a free port, where connections can be parked.
func startTCP(t testing.TB, opts ...Option) *Server {
	s, err := Start(context.Background(), append([]Option{WithAddress("127.0.0.1:0")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func dialTCP(t testing.TB, s *Server) *client {
	nc, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc)
}

// soon waits until what is true, or fails.
func soon(t testing.TB, what func() bool, why string) {
	t.Helper()
	require.Eventually(t, what, time.Minute, time.Millisecond, why)
}

// stacks returns those of all goroutines.
func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// send writes a request of three lines, given with | between them.
func (c *client) send(request string) {
	c.t.Helper()
	_, err := io.WriteString(c, strings.ReplaceAll(request, "|", "\n")+"\n")
	require.NoError(c.t, err)
}

// line reads one answer.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(line, "\n")
}

// ask is send and line.
func (c *client) ask(request string) string {
	c.t.Helper()
	c.send(request)
	return c.line()
}

// grant asks for a slot, and returns its token and lease.
func (c *client) grant(request string) (token, lease string) {
	c.t.Helper()
	return c.granted(c.ask(request))
}

func (c *client) granted(line string) (token, lease string) {
	c.t.Helper()
	f := strings.Fields(line)
	require.Len(c.t, f, 3, "not a grant: %q", line)
	require.Contains(c.t, []string{"ok", "acquired"}, f[0])
	require.Len(c.t, f[1], 32)
	return f[1], f[2]
}

func (c *client) eof() {
	c.t.Helper()
	_, err := c.r.ReadByte()
	require.ErrorIs(c.t, err, io.EOF)
}

func TestAllTenCommandsOverMemoryAndTCP(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *client{
		"memory": func(t *testing.T) *client { return dial(t, start(t)) },
		"TCP": func(t *testing.T) *client {
			s, err := Start(context.Background(), WithAddress("127.0.0.1:0"))
			require.NoError(t, err)
			t.Cleanup(s.Close)
			nc, err := net.Dial("tcp", s.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = nc.Close() })
			return newClient(t, nc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			token, lease := c.grant("l|k|0")
			require.Equal(t, "33", lease)
			require.Equal(t, "ok 60", c.ask("n|k|"+token+" 60"))
			require.Equal(t, "ok", c.ask("r|k|"+token))
			require.Equal(t, "error", c.ask("r|k|"+token))
			token, _ = c.grant("e|k|")
			require.Equal(t, "error_already_enqueued", c.ask("e|k|"))
			again, _ := c.grant("w|k|0")
			require.Equal(t, token, again)
			require.Equal(t, "ok", c.ask("r|k|"+token))

			token, lease = c.grant("sl|s|0 2 7")
			require.Equal(t, "7", lease)
			second, _ := c.grant("se|s|2 9")
			require.Equal(t, "error_limit_mismatch", c.ask("sl|s|0 3"))
			require.Equal(t, "timeout", c.ask("sl|s|0 2"))
			_, lease = c.grant("sw|s|1")
			require.Equal(t, "9", lease)
			require.Equal(t, "ok 33", c.ask("sn|s|"+second))
			require.Equal(t, "ok", c.ask("sr|s|"+second))
			require.Equal(t, "ok", c.ask("sr|s|"+token))
			require.Equal(t, "error_not_enqueued", c.ask("sw|s|1"))
		})
	}
}

func TestSlotGoesToTheNextInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		a, b, c := dial(t, s), dial(t, s), dial(t, s)
		token, _ := a.grant("l|k|0")
		require.Equal(t, "queued", b.ask("e|k|5"))
		b.send("w|k|10")
		synctest.Wait()
		c.send("l|k|10")
		synctest.Wait()
		require.Equal(t, "ok", a.ask("r|k|"+token))
		_, lease := b.granted(b.line())
		require.Equal(t, "5", lease)
		before := time.Now()
		c.granted(c.line())
		require.Equal(t, 5*time.Second, time.Since(before), "the lease of b ends first")
	})
}

func TestRequestsSentAheadAreAnsweredInOrderAfterTheOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		a, b := dial(t, s), dial(t, s)
		token, _ := a.grant("l|k|0")
		b.send("ping|_|_")
		b.send("l|k|10")
		b.send("ping|_|_")
		b.send("l|other|0")
		b.send("l|k|3")
		b.send("ping|_|_")
		require.Equal(t, "ok", b.line())
		synctest.Wait()
		require.Zero(t, b.r.Buffered())
		a.ask("r|k|" + token)
		b.granted(b.line())
		require.Equal(t, "ok", b.line())
		b.granted(b.line())
		require.Equal(t, "timeout", b.line())
		require.Equal(t, "ok", b.line())
	})
}

func TestWaiterThatGoesLeavesTheLineAtOnce(t *testing.T) {
	for name, autoRelease := range map[string]bool{"auto-release": true, "strict": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, WithAutoRelease(autoRelease))
				a := dial(t, s)
				token, _ := a.grant("l|k|0")
				var waiting []*client
				for range 500 {
					c := dial(t, s)
					c.send("l|k|1000")
					waiting = append(waiting, c)
				}
				synctest.Wait()
				require.Equal(t, 500, s.Stats().Locks[0].Waiters)
				last := dial(t, s)
				last.send("l|k|1000")
				synctest.Wait()
				for _, c := range waiting {
					_ = c.Close()
				}
				synctest.Wait()
				require.Equal(t, 1, s.Stats().Locks[0].Waiters)
				require.Equal(t, "ok", a.ask("r|k|"+token))
				last.granted(last.line())
			})
		})
	}
}

func TestHolderThatGoesFreesItsSlotAtOnceOrWhenItsLeaseEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		autoRelease bool
		want        time.Duration
	}{"auto-release": {true, 0}, "strict": {false, 33 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, WithAutoRelease(tc.autoRelease))
				a, b := dial(t, s), dial(t, s)
				a.grant("l|k|0")
				begin := time.Now()
				b.send("l|k|100")
				synctest.Wait()
				_ = a.Close()
				b.granted(b.line())
				require.Equal(t, tc.want, time.Since(begin))
			})
		})
	}
}

func TestSilentConnectionIsToldAndClosedAfterTheReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		begin := time.Now()
		silent, slow, waiting, busy := dial(t, s), dial(t, s), dial(t, s), dial(t, s)
		busy.grant("l|k|0 1000")
		waiting.send("l|k|100")
		go func() {
			for range 30 {
				time.Sleep(time.Second)
				if _, err := slow.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		for range 10 {
			time.Sleep(20 * time.Second)
			require.Equal(t, "ok", busy.ask("ping|_|_"))
		}
		require.Equal(t, "error", silent.line())
		silent.eof()
		require.Equal(t, "error", slow.line())
		slow.eof()
		require.Equal(t, "timeout", waiting.line())
		require.Equal(t, 200*time.Second, time.Since(begin))
	})
}
