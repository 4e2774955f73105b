package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

// FuzzState reads what the script tells of a line, with one claim that holds or waits.
func FuzzState(f *testing.F) {
	f.Add(int64(1790000000000), int64(0), int64(1), int64(0), "session:7:2:web3", "1790000000000000", int64(1790000005000))
	f.Add(int64(1790000000000), int64(900), int64(0), int64(1), "session:7:2:web3:4711", "9223372036854775807", int64(0))
	f.Add(int64(-1), int64(-1), int64(-5), int64(-5), "::", "x", int64(-1))
	f.Fuzz(func(t *testing.T, clock, pause, held, waiting int64, id, number string, expiry int64) {
		now := time.Unix(1790000000, 0)
		st, err := readState([]any{clock, pause, held, waiting, id, number, expiry}, now)
		if err != nil {
			require.ErrorIs(t, err, errAnswer)
			return
		}
		require.Equal(t, 1, len(st.Holders)+len(st.Waiters))
		require.Equal(t, held > 0, len(st.Holders) == 1)
		for _, size := range []int{0, 3, 5, 6} { // an answer that breaks off
			_, err := readState([]any{clock, pause, held, waiting, id, number, expiry}[:size], now)
			require.ErrorIs(t, err, errAnswer)
		}
	})
}

// FuzzClaimID reads the ID of a claim, in which others may have any name.
func FuzzClaimID(f *testing.F) {
	f.Add(uint64(7), 2, "web3:4711")
	f.Add(uint64(1)<<63, highestLimit, "a:b::")
	f.Fuzz(func(t *testing.T, number uint64, limit int, name string) {
		if slot.CheckName(name) != nil {
			t.Skip("the option refuses it")
		}
		for _, pace := range []gcra.Pace{{}, {Interval: time.Duration(number % uint64(gcra.MaxInterval)), Burst: 1 + int64(number%gcra.MaxBurst)}} {
			c, ok := readClaim([]any{claimID("session", number, limit, pace, name), int64(1), fmt.Sprint(2)})
			require.True(t, ok)
			require.Equal(t, listed{name: name, limit: min(limit, highestLimit), number: 1, expiry: 2}, c)
		}
	})
}
