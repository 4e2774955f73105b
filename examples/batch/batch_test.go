package main

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/examples/internal/enginetest"
	"github.com/berth-go/berth/examples/internal/programtest"
	"github.com/berth-go/berth/slot"
)

// folder makes an input folder of n files, some in folders of their own, one
// empty and one large, and returns it with an output folder that is not there.
func folder(t *testing.T, n int) (in, out string) {
	const seed = 7
	r := rand.NewChaCha8([32]byte{seed})
	in = t.TempDir()
	for i := range n {
		size := i * 37
		if i == n/2 {
			size = 3 << 20
		}
		text := make([]byte, size)
		r.Read(text)
		path := filepath.Join(in, fmt.Sprintf("folder %d", i%4), fmt.Sprintf("file%03d", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	return in, filepath.Join(t.TempDir(), "new", "out")
}

// check requires that every recorded output has the checksum of its line and
// the text of its file, and returns the names in the order of the lines.
func check(t *testing.T, in, out string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, manifestName))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		require.True(t, ok, line)
		names = append(names, name)
		compressed, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		got := sha256.Sum256(compressed)
		require.Equal(t, sum, hex.EncodeToString(got[:]), name)
		want, err := os.ReadFile(filepath.Join(in, strings.TrimSuffix(name, ".gz")))
		require.NoError(t, err)
		z, err := gzip.NewReader(strings.NewReader(string(compressed)))
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, string(want), string(text), name)
	}
	return names
}

// leftovers returns what is in the folder and is no complete output.
func leftovers(t *testing.T, out string) (names []string) {
	require.NoError(t, filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() && !strings.HasSuffix(path, ".gz") && d.Name() != manifestName {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func number(t *testing.T, text, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.Len(t, found, 2, pattern)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

func TestEveryFileIsCompressedAndRecordedInOrder(t *testing.T) {
	in, out := folder(t, 120)
	r, status := built.Run(t, "-in", in, "-out", out, "-window", "10")
	require.Equal(t, exitOK, status)
	names := check(t, in, out)
	require.Len(t, names, 120)
	require.True(t, slices.IsSorted(names), "results come in the order of the files, large ones too")
	require.Empty(t, leftovers(t, out))
	require.Contains(t, r.Out, "120 files compressed")
}

func TestSecondRunDoesOnlyWhatIsMissingOrHasChanged(t *testing.T) {
	in, out := folder(t, 20)
	_, status := built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitOK, status)

	r, status := built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "20 files, 20 of them done already")

	changed := filepath.Join(in, "folder 1", "file001")
	require.NoError(t, os.WriteFile(changed, []byte("other text"), 0o644))
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(changed, later, later))
	require.NoError(t, os.Remove(filepath.Join(out, "folder 2", "file002.gz")))
	r, status = built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "18 of them done already")
	require.Contains(t, r.Out, "2 files compressed")
	require.Len(t, check(t, in, out), 20, "one line each, and that of the new text")
}

func TestAttemptsThatFailAreRetried(t *testing.T) {
	in, out := folder(t, 60)
	r, status := built.Run(t, "-in", in, "-out", out, "-flaky", "0.2")
	require.Equal(t, exitOK, status)
	require.Positive(t, number(t, r.Out, `(\d+) attempts were retried`))
	require.Len(t, check(t, in, out), 60)
}

func TestFileThatCannotBeDoneIsReportedAndTheOthersAreDone(t *testing.T) {
	in, out := folder(t, 10)
	// A folder where the output should go.
	require.NoError(t, os.MkdirAll(filepath.Join(out, "folder 1", "file001.gz", "x"), 0o755))
	r, status := built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Out, "file001.gz")
	require.Contains(t, r.Out, "1 files are missing")
	require.Len(t, check(t, in, out), 9)
	require.NoError(t, os.RemoveAll(filepath.Join(out, "folder 1", "file001.gz")))
	require.Empty(t, leftovers(t, out))
}

func TestInterruptFinishesWhatHasBegunAndTheNextRunGoesOnFromThere(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	r := built.Start(t, "-out", out, "-window", "64")
	require.Eventually(t, func() bool { return strings.Contains(r.Printed(), " left\n") }, time.Minute, 20*time.Millisecond)
	r.SignalAll(syscall.SIGINT)
	require.Equal(t, exitInterrupted, r.Wait())
	require.Contains(t, r.Out, "interrupted: finishing")
	require.Empty(t, leftovers(t, out))
	from := regexp.MustCompile(`from +(.*): \d+ files`).FindStringSubmatch(r.Out)[1]
	done := len(check(t, from, out))
	require.Equal(t, number(t, r.Out, `(\d+) files compressed`), done)

	again := built.Start(t, "-out", out)
	require.Eventually(t, func() bool { return strings.Contains(again.Printed(), fmt.Sprintf(" %d of them done already", done)) },
		time.Minute, 20*time.Millisecond)
	again.SignalAll(syscall.SIGKILL)
	again.Wait()
}

func TestFileThatWasCutOffIsNotTakenForDone(t *testing.T) {
	in, out := folder(t, 5)
	_, status := built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitOK, status)
	record := filepath.Join(out, manifestName)
	text, err := os.ReadFile(record)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(record, text[:len(text)-5], 0o644)) // as a crash may leave it
	require.NoError(t, os.WriteFile(filepath.Join(out, "folder 0", "file000.gz.part"), []byte("half"), 0o644))

	r, status := built.Run(t, "-in", in, "-out", out)
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "4 of them done already")
	require.Len(t, check(t, in, out), 5)
}

func TestInstancesShareTheSlotsOfAServer(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Dflockd, engine.Etcd, engine.Redis} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // it mostly waits
			enginetest.Need(t, kind)
			own, err := engine.Start(kind, io.Discard)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, own.Close()) })
			shareOneSlot(t, own.URL)
		})
	}
}

// shareOneSlot has two instances wait for a slot that this process has, and then do
// their work.
func shareOneSlot(t *testing.T, url string) {
	e, err := engine.Open(url)
	require.NoError(t, err)
	defer e.Close()
	src, err := e.Source(limits(1), 0)
	require.NoError(t, err)
	defer src.Close(context.Background())
	ticket, err := src.Enqueue(t.Context(), "")
	require.NoError(t, err)
	held, err := ticket.Wait(t.Context())
	require.NoError(t, err)

	in, out := folder(t, 8)
	var runs []*programtest.Run
	for i := range 2 {
		runs = append(runs, built.Start(t, "-in", in, "-out", out+fmt.Sprint(i), "-server", url, "-slots", "1"))
	}
	require.Eventually(t, func() bool {
		line, err := slot.Inspect(t.Context(), src, "")
		return err == nil && line.Waiting >= 2
	}, time.Minute, 10*time.Millisecond, "both wait in line")
	for i := range runs {
		names, err := filepath.Glob(filepath.Join(out+fmt.Sprint(i), "*", "*"))
		require.NoError(t, err)
		require.Empty(t, names, "nobody compresses without a slot")
	}
	require.NoError(t, held.Release())
	for i, r := range runs {
		require.Equal(t, exitOK, r.Wait())
		require.Len(t, check(t, in, out+fmt.Sprint(i)), 8)
	}
}

func TestAnInstanceStartsAnEngineThatItIsAskedFor(t *testing.T) {
	t.Parallel() // it mostly waits
	in, out := folder(t, 8)
	r, status := built.Run(t, "-in", in, "-out", out, "-engine", "dflockd", "-slots", "1")
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "who share 1 slots with all instances that use dflockd://127.0.0.1:")
	require.Len(t, check(t, in, out), 8)
}

func TestBadInputEndsWithOneLine(t *testing.T) {
	for args, want := range map[string]string{
		"-workers 0":             "-workers 0",
		"-window -1":             "-window -1",
		"-slots 0":               "-slots 0",
		"-slots 2":               "-slots needs -server",
		"-http 0.0.0.0:80":       "for this machine only",
		"-flaky 2":               "-flaky 2",
		"-flaky NaN":             "-flaky NaN",
		"-seed 3":                "-seed needs -flaky",
		"-server nowhere":        "want host:port",
		"-server etcd://nowhere": "want host:port",
		"-engine consul":         "want dflockd, etcd or redis",
		"-frobnicate":            "-frobnicate",
		"extra":                  `"extra"`,
		"-in /no/such/folder":    "/no/such/folder",
		"-in= -out x":            "-in",
		"-out=":                  "-out",
		"-in go.mod -out /dev/x": "go.mod",
	} {
		r, status := built.Run(t, strings.Fields(args)...)
		require.Contains(t, []int{exitUsage, exitFailed}, status, args)
		require.Contains(t, r.Err, want, args)
		require.Equal(t, 1, strings.Count(r.Err, "\n"), args)
		require.Empty(t, r.Out, args)
	}
}

func TestMissingServerIsNamed(t *testing.T) {
	const unused = "127.0.0.1:1" // no program is given this port who asks for any
	in, out := folder(t, 1)
	r, status := built.Run(t, "-in", in, "-out", out, "-server", unused)
	require.Equal(t, exitFailed, status)
	require.Contains(t, r.Err, unused)
	require.Contains(t, r.Err, "start a server with")
}

func TestHelpIsNoError(t *testing.T) {
	r, status := built.Run(t, "-h")
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "Usage: batch")
}

func TestOutputFolderInsideTheInputIsNotCompressed(t *testing.T) {
	in, _ := folder(t, 4)
	out := filepath.Join(in, "out")
	for range 2 {
		_, status := built.Run(t, "-in", in, "-out", out)
		require.Equal(t, exitOK, status)
		require.Len(t, check(t, in, out), 4)
	}
}

func TestThePoolIsShownOnAPage(t *testing.T) {
	r := built.Start(t, "-out", t.TempDir(), "-workers", "1", "-http", ":0")
	require.Contains(t, r.Boards(1)[0], `"name":"batch","size":1,`)
	r.Signal(syscall.SIGINT)
	require.Equal(t, exitInterrupted, r.Wait())
}
