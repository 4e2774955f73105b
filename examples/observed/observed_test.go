package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/internal/programtest"
	"github.com/berth-go/berth/tracing"
)

// built is the program as its users run it.
var built *programtest.Program

func TestMain(m *testing.M) {
	var err error
	if built, err = programtest.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		built.Remove()
		os.Exit(status)
	}))
}

// folder returns a folder of n files to compress.
func folder(t *testing.T, n int) string {
	dir := t.TempDir()
	for i := range n {
		text := strings.Repeat(fmt.Sprintf("line of file %d\n", i), 200)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%02d", i)), []byte(text), 0o600))
	}
	return dir
}

// span is what the test reads of a line of the trace's file.
type span struct {
	Name        string
	SpanContext struct{ SpanID string }
	Parent      struct{ SpanID string }
	StartTime   time.Time
	EndTime     time.Time
}

func readTrace(t *testing.T, name string) (spans []span) {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := json.NewDecoder(bytes.NewReader(text))
	for lines.More() {
		var s span
		require.NoError(t, lines.Decode(&s))
		spans = append(spans, s)
	}
	return spans
}

func TestTraceInTheFileAccountsForEveryJobsTime(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace.json")
	r, status := built.Run(t, "-src", folder(t, 20), "-flaky", "0.3", "-trace", trace)
	require.Equal(t, exitOK, status)

	spans := readTrace(t, trace)
	count := make(map[string]int)
	parts := make(map[string]time.Duration)
	for _, s := range spans {
		count[s.Name]++
		if s.Name != tracing.SpanHold {
			parts[s.Parent.SpanID] += s.EndTime.Sub(s.StartTime)
		}
	}
	require.Equal(t, 1, count["batch"])
	require.Equal(t, 20, count[tracing.SpanJob])
	require.Equal(t, 20, count["gzip"])
	require.Positive(t, count[tracing.SpanBackoff])
	require.Equal(t, 20+count[tracing.SpanBackoff], count[tracing.SpanRun])
	for _, s := range spans {
		if s.Name == tracing.SpanJob {
			require.Equal(t, s.EndTime.Sub(s.StartTime), parts[s.SpanContext.SpanID], "the parts of a job add up")
		}
	}
	require.Contains(t, r.Out, "the metrics say:")
	require.Equal(t, count[tracing.SpanBackoff], number(t, r.Out, `attempts were retried +(\d+)`))
}

func TestTimelineOfOneJobIsPrinted(t *testing.T) {
	r, status := built.Run(t, "-src", folder(t, 10), "-flaky", "1", "-trace", filepath.Join(t.TempDir(), "trace.json"))
	require.Equal(t, exitOK, status)
	total := find1(t, r.Out, `(?m)^the job with most to tell: file-\d\d, (\S+) ms, trace [0-9a-f]{32}$`)
	require.Equal(t, total, find1(t, r.Out, `(?m)^ +sum +(\S+) ms$`))
	for _, part := range []string{"queue", "slot acquire", "run", "backoff"} {
		require.Regexp(t, `(?m)^ +\S+ ms  `+part+` +\S+ ms  [·█]{40}  `, r.Out)
	}
	require.Contains(t, r.Out, "attempt 1: made to fail by -flaky (slot held for")
	require.Contains(t, r.Out, "attempt 2 (slot held for")
}

func TestPagesStayUntilInterrupt(t *testing.T) {
	r := built.Start(t, "-src", folder(t, 5), "-flaky", "0", "-keep", "-http", ":0", "-trace", filepath.Join(t.TempDir(), "trace.json"))
	require.Eventually(t, func() bool { return strings.Contains(r.Printed(), "until Ctrl-C") }, time.Minute, 10*time.Millisecond)
	address := find1(t, r.Printed(), `metrics at (http://127\.0\.0\.1:\d+/metrics)`)
	page := get(t, address)
	for _, series := range []string{
		"berth_job_duration_seconds_count", "berth_slot_wait_time_seconds_bucket", "berth_slot_max", `berth_slot_count{`, "berth_job_queued",
	} {
		require.Contains(t, page, series)
	}
	require.Contains(t, page, `trace_id=`, "exemplars lead to the trace")
	require.Contains(t, r.Boards(1)[0], `"finished":5,`, "the dashboard stays, too")
	r.Signal(syscall.SIGINT)
	require.Equal(t, exitOK, r.Wait())
}

func TestBadInputIsRefusedWithOneLine(t *testing.T) {
	for want, args := range map[string][]string{
		"-files 0: must be from 1":            {"-files", "0"},
		"-flaky 2: must be from 0 to 1":       {"-flaky", "2"},
		"-flaky NaN: must be":                 {"-flaky", "NaN"},
		"-metrics 0.0.0.0:0: the page is for": {"-metrics", "0.0.0.0:0"},
		`-metrics "9464": want host:port`:     {"-metrics", "9464"},
		`-http "8080": want host:port`:        {"-http", "8080"},
		"unexpected argument":                 {"all"},
	} {
		r, status := built.Run(t, args...)
		require.Equal(t, exitUsage, status)
		require.Contains(t, r.Err, want)
		require.Equal(t, 1, strings.Count(r.Err, "\n"))
	}
	for want, args := range map[string][]string{
		"there are no files below":  {"-src", t.TempDir(), "-trace", filepath.Join(t.TempDir(), "t")},
		"-trace: open ":             {"-src", folder(t, 1), "-trace", filepath.Join(t.TempDir(), "none", "t")},
		"no such file or directory": {"-src", "/nowhere/at/all"},
	} {
		r, status := built.Run(t, args...)
		require.Equal(t, exitFailed, status)
		require.Contains(t, r.Err, want)
	}
	r, status := built.Run(t, "-h")
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "Usage: observed")
}

// get reads a page in the form that has exemplars.
func get(t *testing.T, address string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(text)
}

func find1(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.Len(t, found, 2, pattern)
	return found[1]
}

func number(t *testing.T, text, pattern string) int {
	t.Helper()
	n, err := strconv.Atoi(find1(t, text, pattern))
	require.NoError(t, err)
	return n
}
