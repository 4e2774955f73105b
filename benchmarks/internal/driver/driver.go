// Package driver has jobs run in another process, so that what a client library
// brings along, in memory and in background work, is not part of what is measured
// of others.
//
// The driver says "ready" once it is. How many jobs to run goes to it as lines on its
// standard input. It answers "taken" when the last of them has begun, and at the end
// "ran N most M counted C", see [Report].
package driver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// batch is how many jobs the driver is told of at a time. There are two batches
// on their way, so that its workers never run out of jobs.
const batch = 128

// A Driver is a driver that runs. It is used by one goroutine.
type Driver struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	next  int // jobs that the driver was not told of
	ahead int // batches that it has not begun all jobs of
	err   error
}

// Start starts a driver. Its owner calls Finish.
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
	d := &Driver{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if line, err := d.out.ReadString('\n'); err != nil || line != readyLine {
		_ = in.Close()
		return nil, errors.Join(fmt.Errorf("the driver said %q, and not that it is ready: %w", line, err), cmd.Wait())
	}
	return d, nil
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
		d.err = fmt.Errorf("the driver said %q: %w", line, err)
	}
}

// A Report is what a driver has done.
type Report struct {
	Ran     int64 // jobs
	Most    int64 // of one key at once
	Counted int64 // claims, as the engine or the client has counted them
}

// Finish waits for all jobs and ends the program.
func (d *Driver) Finish() (r Report, err error) {
	d.tell()
	d.err = errors.Join(d.err, d.in.Close())
	for d.ahead > 0 {
		d.taken()
	}
	if d.err == nil {
		_, d.err = fmt.Fscanf(d.out, lastLine, &r.Ran, &r.Most, &r.Counted)
	}
	return r, errors.Join(d.err, d.cmd.Wait())
}

const readyLine = "ready\n"

const lastLine = "ran %d most %d counted %d\n"
