//go:build linux

package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// A tree adopts what is below its process, and reaps it, so each test that starts
// one does so in a process of its own: this program again, with the script that is
// to be the command.
const scriptVariable = "BERTH_TEST_SCRIPT"

func TestMain(m *testing.M) {
	if script := os.Getenv(scriptVariable); script != "" {
		os.Exit(endScript(script))
	}
	goleak.VerifyTestMain(m)
}

// endScript starts the script, waits for a line, and ends everything. It prints what
// it sees.
func endScript(script string) int {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return 1
	}
	tree, err := Start(Command{Path: sh, Args: []string{"sh", "-c", script}, Env: os.Environ()})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer tree.Close()
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	for !tree.Gone() {
		tree.Kill()
	}
	for _, e := range tree.Events() {
		fmt.Printf("%v %d %d\n", e.Change, e.Code, e.Signal)
	}
	fmt.Println("left:", len(descendants(os.Getpid(), nil)))
	return 0
}

// ending runs a script in a tree, waits until the file that it writes is there, has
// everything killed, and returns what was seen of it.
func ending(t *testing.T, script string) string {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), scriptVariable+"="+script)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(folder, "printed")) // a file, which Wait does not read to its end
	require.NoError(t, err)
	defer out.Close()
	cmd.Stdout = out
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(folder, "ready"))
		return err == nil
	}, 30*time.Second, time.Millisecond)
	_, err = fmt.Fprintln(in)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	for _, pid := range pidsIn(t, folder) {
		if !assert.False(t, alive(pid), "process %d of the script lives", pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	printed, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	return string(printed)
}

// pidsIn reads what the script wrote of its processes.
func pidsIn(t *testing.T, folder string) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "ready"))
	require.NoError(t, err)
	for _, f := range strings.Fields(string(text)) {
		var pid int
		_, err := fmt.Sscan(f, &pid)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.NotEmpty(t, pids)
	return pids
}

func TestEverythingIsKilled(t *testing.T) {
	for name, script := range map[string]string{
		"the command":                    `trap "" TERM; echo $$ >tmp; mv tmp ready; while :; do sleep 1; done`,
		"a child":                        `sleep 100 & echo $$ $! >tmp; mv tmp ready; wait`,
		"one that left its session":      `setsid sleep 100 & echo $$ $! >tmp; mv tmp ready; wait`,
		"one whose parents have ended":   `(setsid sh -c 'sleep 100 & echo $! >tmp; mv tmp ready'); sleep 100`,
		"what has outlived the command":  `setsid sleep 100 & echo $! >tmp; mv tmp ready`,
		"a stopped one":                  `sleep 100 & kill -STOP $!; echo $! >tmp; mv tmp ready; wait`,
		"what forks and ends all along":  `f() { f & }; f & echo $$ >tmp; mv tmp ready; sleep 100`,
		"one with a name that is a trap": `cp "$(command -v sleep)" "a) Z 1 b"; "./a) Z 1 b" 100 & echo $! >tmp; mv tmp ready; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := ending(t, script)
			require.Contains(t, out, "exited")
			require.Contains(t, out, "left: 0\n")
		})
	}
}

func TestWhatTheCommandDidIsTold(t *testing.T) {
	require.Equal(t, "exited 0 9\nleft: 0\n", ending(t, `echo $$ >tmp; mv tmp ready; sleep 100`))
	require.Equal(t, "exited 5 0\nleft: 0\n", ending(t, `(while kill -0 $$; do sleep 0.01; done; echo $$ >tmp; mv tmp ready) 2>tmp & exit 5`))
}

// What the process had started before is not touched.
func TestChildrenThatWereThereBeforeAreLeftAlone(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	folder := t.TempDir()
	cmd := exec.Command("sh", "-c", `sleep 100 >/dev/null 2>&1 & echo $! >before; exec "$0"`, self)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), scriptVariable+"=sleep 100")
	cmd.Stdin = strings.NewReader("\n")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "left: 1\n")
	text, err := os.ReadFile(filepath.Join(folder, "before"))
	require.NoError(t, err)
	var before int
	_, err = fmt.Sscan(string(text), &before)
	require.NoError(t, err)
	require.True(t, alive(before))
	require.NoError(t, syscall.Kill(before, syscall.SIGKILL))
}

func TestChildrenAreFoundWhereTheKernelDoesNotListThem(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	require.Contains(t, children(os.Getpid()), cmd.Process.Pid)
	require.Contains(t, childrenByParent(os.Getpid()), cmd.Process.Pid)
}
