//go:build linux

package book

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/pages"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// root is the top of the repository, where the commands are typed.
const root = "../.."

// elsewhere is the page whose commands cmd/berth runs.
const elsewhere = "docs/berth-run.md"

// TestTheCommandsOfThePagesDoWhatTheyShow types what stands behind each $ of a page,
// one line after the other in one shell. What is printed has to be what the page
// shows, but numbers may be others, and lines may come in another order; a line …
// stands for any further ones.
func TestTheCommandsOfThePagesDoWhatTheyShow(t *testing.T) {
	all, err := pages.Read(root, "docs/*.md")
	require.NoError(t, err)
	bin := built(t, all)
	typed := 0
	for _, p := range all {
		blocks := slices.DeleteFunc(p.Blocks(), func(b pages.Block) bool { return b.Language != "console" })
		if p.Name == elsewhere || len(blocks) == 0 {
			continue
		}
		typed += len(blocks)
		t.Run(path.Base(p.Name), func(t *testing.T) {
			t.Parallel()
			printed := shell(t, bin, blocks)
			for i, b := range blocks {
				require.NoError(t, matches(shown(b.Text), printed[i]), "%s:%d", p.Name, b.Line)
			}
		})
	}
	require.Greater(t, typed, 5, "the pages have lost their commands")
}

// How a page says that programs of this repository are run, or built.
var (
	program = regexp.MustCompile(`go run (\./[\w./-]+)`)
	build   = regexp.MustCompile(`go build -o (\S+)((?: \./[\w./-]+)+)`)
	folder  = regexp.MustCompile(`\./[\w./-]+`)
)

// built builds all programs that the pages run, at once, and returns their folder.
func built(t *testing.T, all []pages.Page) string {
	t.Helper()
	bin := t.TempDir()
	args := []string{"build", "-o", bin}
	for _, p := range all {
		for _, b := range p.Blocks() {
			if b.Language != "console" || p.Name == elsewhere {
				continue
			}
			for _, command := range append(program.FindAllString(b.Text, -1), build.FindAllString(b.Text, -1)...) {
				args = append(args, folder.FindAllString(command, -1)...)
			}
		}
	}
	slices.Sort(args[3:])
	cmd := exec.Command("go", slices.Compact(args)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// patience is for a page.
const patience = 5 * time.Minute

// shell types the commands of blocks and returns what each block printed. What ends
// with & goes on until the last block has ended; what it prints is not looked at.
func shell(t *testing.T, bin string, blocks []pages.Block) []string {
	t.Helper()
	ports := strings.NewReplacer("6388", port(t), "6389", port(t), "9388", port(t))
	scratch := t.TempDir()
	const mark = "@@ the next block"
	var script strings.Builder
	fmt.Fprintf(&script, "cd %s\nexport TMPDIR=%s\n", root, scratch)
	for _, b := range blocks {
		fmt.Fprintf(&script, "echo '%s'\n", mark)
		for _, command := range commands(b.Text) {
			fmt.Fprintln(&script, ports.Replace(started(ready(command, bin), bin)))
		}
	}
	out, err := os.Create(filepath.Join(scratch, "printed"))
	require.NoError(t, err)
	defer out.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script.String())
	cmd.Stdout, cmd.Stderr = out, out // a file: what is in the background has it, too
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Run()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is in the background
	require.NoError(t, ctx.Err(), "the commands do not end")
	text, readErr := os.ReadFile(out.Name())
	require.NoError(t, readErr)
	parts := strings.Split(string(text), mark+"\n")
	require.Len(t, parts, len(blocks)+1, "%v\n%s", err, text)
	return parts[1:]
}

// ready returns a command that takes the programs from where they were built.
func ready(command, bin string) string {
	at := func(folder string) string { return filepath.Join(bin, path.Base(folder)) }
	command = program.ReplaceAllStringFunc(command, func(m string) string { return at(folder.FindString(m)) })
	return build.ReplaceAllStringFunc(command, func(m string) string {
		copied := "cp"
		for _, f := range folder.FindAllString(m, -1) {
			copied += " " + at(f)
		}
		return copied + " " + build.FindStringSubmatch(m)[1]
	})
}

// served is where a command that runs a server says on which port, and secret where
// its secret is.
var (
	served = regexp.MustCompile(`(?s)/dflockd .*--port (\d+)`)
	secret = regexp.MustCompile(`--auth-token-file \S+`)
)

// started returns a command with what the test adds to one that goes on in the
// background: where its output goes, and that a server is waited for.
func started(command, bin string) string {
	background, ok := strings.CutSuffix(command, "&")
	if !ok {
		return command
	}
	command = background + ">/dev/null 2>&1 &"
	if m := served.FindStringSubmatch(command); m != nil {
		command += fmt.Sprintf("\nuntil %s ping --port %s %s >/dev/null 2>&1; do sleep 0.05; done",
			filepath.Join(bin, "dflockd"), m[1], secret.FindString(command))
	}
	return command
}

// port returns one that nobody else is given.
func port(t *testing.T) string {
	_, p, _ := strings.Cut(lockserver.FreeAddress(t), ":")
	return p
}

// commands returns what is typed: what stands behind a $, with the lines that a
// backslash joins to it.
func commands(block string) (all []string) {
	joined := strings.ReplaceAll(block, "\\\n", "\\\x00")
	for line := range strings.Lines(joined) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, strings.TrimSpace(strings.ReplaceAll(command, "\x00", "\n")))
		}
	}
	return all
}

// shown returns what a block says that its commands print.
func shown(block string) string {
	var all strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", "")) {
		if !strings.HasPrefix(line, "$ ") {
			all.WriteString(line)
		}
	}
	return all.String()
}

// matches returns an error unless printed is what is shown, see the test.
func matches(shown, printed string) error {
	want, have := lines(shown), lines(printed)
	more := slices.Contains(want, "…")
	for _, line := range want {
		if line == "…" {
			continue
		}
		i := slices.Index(have, line)
		if i < 0 {
			return fmt.Errorf("%q is not printed, but:\n%s", line, printed)
		}
		have = slices.Delete(have, i, i+1)
	}
	if len(have) > 0 && !more {
		return fmt.Errorf("the page does not show %q, of:\n%s", have, printed)
	}
	return nil
}

var number = regexp.MustCompile(`([0-9]+([.,][0-9]+)*(ns|µs|ms|s|m|h)?)+( (ns|µs|ms|s|m|h)\b)?`)

// lines returns the lines of a text that are not empty, with their numbers left out.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(number.ReplaceAllString(line, "0")), " "); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func TestWhatIsPrintedMatchesWhateverItsNumbersAndOrder(t *testing.T) {
	for _, tc := range []struct {
		shown, printed string
		ok             bool
	}{
		{"a 1\nb\n", "b\na 2\n", true},
		{"took 1.5 ms, and more\n", "took 1m12s, and more\n", true},
		{"a\n", "a\nb\n", false},
		{"a\n…\n", "b\na\nc\n", true},
		{"a\na\n", "a\n", false},
		{"", "", true},
		{"", "a\n", false},
	} {
		require.Equal(t, tc.ok, matches(tc.shown, tc.printed) == nil, "%q, %q", tc.shown, tc.printed)
	}
	require.Equal(t, []string{"a \\\n  b", "c"}, commands("$ a \\\n  b\nprinted\n$ c\n"))
	require.Equal(t, "printed\n", shown("$ a \\\n  b\nprinted\n$ c\n"))
	require.Equal(t, "x=1; cp /bin/a /bin/b $DIR; /bin/c -d", ready("x=1; go build -o $DIR ./cmd/a ./b; go run ./c -d", "/bin"))
}
