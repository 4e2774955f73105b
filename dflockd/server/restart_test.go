package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// settled returns what opts come to, and what is wrong with it.
func settled(opts ...Option) (config, error) {
	c := defaults()
	for _, o := range opts {
		o(&c)
	}
	c.fillIn()
	return c, c.validate()
}

func TestStrictServerOnAFixedAddressHasALongestLeaseAndAGraceOfThatLength(t *testing.T) {
	fixed, strict := WithAddress("127.0.0.1:6388"), WithAutoRelease(false)
	for name, tc := range map[string]struct {
		opts         []Option
		lease, grace time.Duration
	}{
		"strict alone":                   {[]Option{fixed, strict}, time.Minute, time.Minute},
		"a longest lease":                {[]Option{fixed, strict, WithMaxLease(40 * time.Second)}, 40 * time.Second, 40 * time.Second},
		"a longer grace":                 {[]Option{fixed, strict, WithStartupGrace(2 * time.Minute)}, time.Minute, 2 * time.Minute},
		"a default lease over a minute":  {[]Option{fixed, strict, WithDefaultLease(90 * time.Second)}, 90 * time.Second, 90 * time.Second},
		"an unsafe grace, asked for":     {[]Option{fixed, strict, WithStartupGrace(0), WithUnsafeShortStartupGrace()}, time.Minute, 0},
		"any lease, asked for":           {[]Option{fixed, strict, WithMaxLease(0), WithUnsafeShortStartupGrace()}, 0, time.Minute},
		"immediate release":              {[]Option{fixed}, longestLease, 0},
		"strict on a free port":          {[]Option{WithAddress("127.0.0.1:0"), strict}, longestLease, 0},
		"strict in memory":               {[]Option{WithInMemory(), strict}, longestLease, 0},
		"strict on a free port, a grace": {[]Option{WithAddress("127.0.0.1:0"), strict, WithStartupGrace(time.Second)}, longestLease, time.Second},
	} {
		c, err := settled(tc.opts...)
		require.NoError(t, err, name)
		require.Equal(t, tc.lease, c.maxLease, name)
		require.Equal(t, tc.grace, c.startupGrace, name)
	}
}

func TestAMixThatLetsASlotBeHeldTwiceAfterARestartIsRefused(t *testing.T) {
	fixed, strict := WithAddress("127.0.0.1:6388"), WithAutoRelease(false)
	for name, opts := range map[string][]Option{
		"no grace":                     {WithStartupGrace(0)},
		"a grace under the lease":      {WithStartupGrace(59 * time.Second)},
		"a lease over the grace":       {WithMaxLease(2 * time.Minute), WithStartupGrace(time.Minute)},
		"any lease":                    {WithMaxLease(0)},
		"any lease, whatever the time": {WithMaxLease(0), WithStartupGrace(time.Hour)},
	} {
		_, err := settled(append(opts, fixed, strict)...)
		require.ErrorContains(t, err, "held twice after a restart", name)
		require.ErrorContains(t, err, "unsafe-short-startup-grace", name)
		_, err = settled(append(opts, fixed, strict, WithUnsafeShortStartupGrace())...)
		require.NoError(t, err, name)
		_, err = settled(append(opts, WithAddress("127.0.0.1:0"), strict)...)
		require.NoError(t, err, name)
	}
}
