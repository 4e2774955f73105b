package tap

import (
	"bufio"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/benchmarks/internal/plain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer starts a server that answers each request with the next of lines.
func answer(t *testing.T, lines ...string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	open.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewScanner(c)
		for _, line := range lines {
			for range 3 {
				if !in.Scan() {
					return
				}
			}
			_, _ = c.Write([]byte(line + "\n"))
		}
		in.Scan() // until the client leaves
	})
	return l.Addr().String()
}

const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

func TestEachGrantCountsOnceAndRefusalsDoNot(t *testing.T) {
	tap, err := New(answer(t, "acquired "+one+" 33", "ok "+one+" 33", "timeout", "ok 30", "ok "+two+" 33", "ok", "ok"), nil, nil)
	require.NoError(t, err)
	t.Cleanup(tap.Close)
	c, err := plain.Dialer{Addr: tap.Addr()}.Dial()
	require.NoError(t, err)
	for _, r := range [][3]string{
		{"se", "k", "2"}, {"sw", "k", "1"}, {"sl", "k", "0 2"}, {"sn", "k", one}, {"l", "k2", "0"}, {"sr", "k", one}, {"#7 r", "k2", two},
	} {
		_, err := c.Ask(r[0], r[1], r[2])
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	tap.Close() // waits until all that was relayed is counted
	dials, granted, released := tap.Counts()
	require.Equal(t, []int{1, 2, 2}, []int{dials, granted, released})
}
