// Package official runs jobs under slots of dflockd's official Go client, in a
// process of their own: that client's module is not to be had from the module
// proxy, so it is compiled where its source is at hand.
package official

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed driver.go
var driver []byte

// module is what the official client is a package of.
const module = "github.com/mtingers/dflockd"

// Build compiles the driver with the client whose module is in the folder
// source. It returns the program's path, which is in dir.
func Build(ctx context.Context, dir, source string) (string, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return "", err
	}
	files := map[string]string{
		"driver.go": string(driver),
		"go.mod":    fmt.Sprintf("module driver\n\ngo 1.23\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, source),
	}
	folder := filepath.Join(dir, "official")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	program := filepath.Join(folder, "driver")
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", program, "driver.go")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling a program with the official client of %s: %w: %s", source, err, out)
	}
	return program, nil
}

// batch is how many jobs the driver is told of at a time. There are two batches
// on their way, so that its workers never run out of jobs.
const batch = 128

// A Driver is the running program. It is used by one goroutine.
type Driver struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	next  int // jobs that the driver was not told of
	ahead int // batches that it has not begun all jobs of
	err   error
}

// Start starts a program that Build made. Its owner calls Finish.
func Start(program string, args ...string) (*Driver, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Driver{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// Next has one more job run, and returns before it has.
func (d *Driver) Next() {
	if d.next++; d.next < batch {
		return
	}
	d.tell()
	if d.ahead == 2 {
		d.taken()
	}
}

// tell tells the driver of the jobs that it does not know of.
func (d *Driver) tell() {
	if _, err := fmt.Fprintln(d.in, d.next); err != nil {
		d.err = errors.Join(d.err, err)
	}
	d.next = 0
	d.ahead++
}

// taken waits until the driver has begun all jobs of a batch.
func (d *Driver) taken() {
	d.ahead--
	if d.err != nil {
		return
	}
	if line, err := d.out.ReadString('\n'); err != nil || line != "taken\n" {
		d.err = fmt.Errorf("the official client said %q: %w", line, err)
	}
}

// Finish waits for all jobs and ends the program. It returns how many jobs ran,
// and how many of one key ran at once at most.
func (d *Driver) Finish() (ran, most int64, err error) {
	d.tell()
	d.err = errors.Join(d.err, d.in.Close())
	for d.ahead > 0 {
		d.taken()
	}
	if d.err == nil {
		_, d.err = fmt.Fscanf(d.out, "ran %d most %d\n", &ran, &most)
	}
	return ran, most, errors.Join(d.err, d.cmd.Wait())
}
