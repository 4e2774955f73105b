package dflockd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSilenceStaysWellUnderTheServersReadTimeout(t *testing.T) {
	for readTimeout, longest := range map[time.Duration]time.Duration{
		0:                7 * time.Second, // not known: the original server's is 23 s
		23 * time.Second: 7 * time.Second,
		21 * time.Second: 7 * time.Second,
		time.Second:      time.Second / 3,
		time.Hour:        7 * time.Second,
	} {
		p := paceFor(0.5, readTimeout)
		require.Equal(t, longest, p.Longest, readTimeout)
		require.Equal(t, longest, p.Beat(time.Hour), readTimeout)
	}
}
