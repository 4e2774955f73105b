package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANearMissOfAVariableIsAnErrorThatNamesTheRightOne(t *testing.T) {
	for wrong, right := range map[string]string{
		"DFLOCKD_MAX_LOCK":                      "DFLOCKD_MAX_LOCKS",
		"DFLOCKD_MAXLOCKS":                      "DFLOCKD_MAX_LOCKS",
		"dflockd_max_locks":                     "DFLOCKD_MAX_LOCKS",
		"DFLOCK_MAX_LOCKS":                      "DFLOCKD_MAX_LOCKS",
		"DFLOCKD_STARTUP_GRACE":                 "DFLOCKD_STARTUP_GRACE_S",
		"DFLOCKD_MAX_LEASE_SECONDS":             "DFLOCKD_MAX_LEASE_S",
		"DFLOCKD_AUTORELEASE_ON_DISCONNECT":     "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT",
		"DFLOCKD_NO_AUTO_RELEASE_ON_DISCONNECT": "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT",
		"DFLOCKD_AUTH_TOKEN_FIEL":               "DFLOCKD_AUTH_TOKEN_FILE",
		"DFLOCKD_AUTH_TOKENFILE":                "DFLOCKD_AUTH_TOKEN_FILE",
		"DFLOCKD_TLS_CERT_FILE":                 "DFLOCKD_TLS_CERT",
		"DFLOCKD_METRICS_ADDRESS":               "DFLOCKD_METRICS_ADDR",
		"DFLOCKD_HOSTS":                         "DFLOCKD_HOST",
		"DFLOCKD_AUTO_RELEASE":                  "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT",
		"DFLOCKD_NO_AUTO_RELEASE":               "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT",
		"dflockd_auto_release":                  "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT",
		"DFLOCKD_TOKEN":                         "DFLOCKD_AUTH_TOKEN",
		"DFLOCKD_TOKEN_FILE":                    "DFLOCKD_AUTH_TOKEN_FILE",
		"DFLOCKD_GRACE":                         "DFLOCKD_STARTUP_GRACE_S",
		"DFLOCKD_GRACE_S":                       "DFLOCKD_STARTUP_GRACE_S",
		"DFLOCKD_TLS":                           "DFLOCKD_TLS_KEY",
	} {
		for _, cl := range []*commandLine{&serving, &pinging} {
			_, err := cl.parse(nil, environment{wrong: "1"})
			require.ErrorContains(t, err, wrong)
			require.ErrorContains(t, err, " "+right+" meant?")
		}
	}
}

func TestKubernetesServiceLinksAreIgnoredAndSaid(t *testing.T) {
	s, err := serving.parse(nil, environment{
		"DFLOCKD_PORT":                           "tcp://10.3.2.1:6388",
		"DFLOCKD_PORT_6388_TCP":                  "tcp://10.3.2.1:6388",
		"DFLOCKD_PORT_6388_TCP_PROTO":            "tcp",
		"DFLOCKD_PORT_6388_TCP_PORT":             "6388",
		"DFLOCKD_PORT_6388_TCP_ADDR":             "10.3.2.1",
		"DFLOCKD_SERVICE_HOST":                   "10.3.2.1",
		"DFLOCKD_SERVICE_PORT":                   "6388",
		"DFLOCKD_SERVICE_PORT_LOCKS":             "6388",
		"DFLOCKD_METRICS_PORT":                   "tcp://10.3.2.2:9388",
		"DFLOCKD_METRICS_SERVICE_HOST":           "10.3.2.2",
		"DFLOCKD_METRICS_PORT_9388_TCP_PORT":     "9388",
		"DFLOCKD_METRICS_SERVICE_PORT_OF_SOMEDA": "9388",
		"DFLOCKD_HOST":                           "::1",
		"HOME":                                   "/",
	})
	require.NoError(t, err)
	require.Equal(t, 6388, s.port)
	require.Equal(t, "::1", s.host)
	require.Len(t, s.notes, 1)
	require.Equal(t, 12, strings.Count(s.notes[0], "DFLOCKD_"), s.notes[0])
	require.Contains(t, s.notes[0], "Kubernetes")
}

func TestAVariableThatIsNoneOfOursIsIgnoredAndSaid(t *testing.T) {
	s, err := serving.parse(nil, environment{"DFLOCKD_COLOUR_OF_THE_DOOR": "green", "PATH": "/bin", "DFLOCKD_PORT": "7"})
	require.NoError(t, err)
	require.Equal(t, 7, s.port)
	require.Equal(t, []string{"ignored DFLOCKD_COLOUR_OF_THE_DOOR: no variable of this program"}, s.notes)
}

func TestAnyPortThatIsNoServiceLinkIsStillChecked(t *testing.T) {
	_, err := serving.parse(nil, environment{"DFLOCKD_PORT": "http://10.3.2.1"})
	require.ErrorContains(t, err, "DFLOCKD_PORT")
}

func TestDistanceCountsLetters(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "ab", 1}, {"ab", "abc", 1}, {"abc", "axc", 1}, {"abc", "bca", 2}, {"abc", "xyz", 3}, {"", "abcdef", 5}, {"kitten", "sitting", 3},
	} {
		require.Equal(t, tc.want, distance(tc.a, tc.b, 5), "%q %q", tc.a, tc.b)
	}
}
