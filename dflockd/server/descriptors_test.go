//go:build unix

package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childLog is the log of a server in a process of its own.
type childLog struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *childLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *childLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var (
	cannotAccept = regexp.MustCompile(`cannot accept.*`)
	notLogged    = regexp.MustCompile(`not_logged=(\d+)`)
)

// failures returns how often the server says that it could not accept, and how
// often it could not by what it says.
func (l *childLog) failures() (lines, all int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range cannotAccept.FindAllString(l.text.String(), -1) {
		lines++
		all++
		if m := notLogged.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			all += n
		}
	}
	return lines, all
}

func TestServerThatMayOpenNoMoreFilesServesOnAndAcceptsAgainLater(t *testing.T) {
	const files, clients = 64, 80
	log := new(childLog)
	begin := time.Now()
	p := startChild(t, log, fmt.Sprintf("%s=%d", childFiles, files))
	all := make([]*client, clients)
	for i := range all { // those that the server cannot accept are in its backlog
		all[i] = p.dial(t)
		require.NoError(t, all[i].SetDeadline(begin.Add(time.Minute)))
		all[i].send("ping|_|_")
	}
	require.Eventually(t, func() bool { lines, _ := log.failures(); return lines >= 2 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, "ok", all[0].line())
	status, _, body := fetchFrom(t, p.metrics, "/healthz")
	require.Equal(t, http.StatusOK, status, "a crowd is no reason to restart it")
	require.Equal(t, "ok\n", body)
	var stats struct{ Connections int }
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(all[0].ask("stats|_|_"), "ok ")), &stats))
	in := stats.Connections
	require.Less(t, in, files)
	require.Greater(t, in, clients-in, "too few are in to make room for all others")

	for _, c := range all[1:in] {
		require.Equal(t, "ok", c.line())
		require.Equal(t, "ok", c.ask("ping|_|_"), "those who are in are served")
	}
	for _, c := range all[:in] {
		require.NoError(t, c.Close())
	}
	for _, c := range all[in:] {
		require.Equal(t, "ok", c.line(), "those who were not are accepted when there is room")
	}
	took := int(time.Since(begin)/time.Second) + 1
	for line := range strings.Lines(log.String()) {
		require.Contains(t, line, "level=", "nothing is written past the log")
	}
	lines, tried := log.failures()
	require.LessOrEqual(t, lines, took+1, "a line a second")
	require.LessOrEqual(t, tried, took+10, "8 tries in the first second, then one a second: it does not spin")
}
