//go:build unix

package stacktest_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// programs builds the server and the worker, once, into the directory of all
// the tests' programs.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./dflockd/cmd/dflockd", "./internal/stacktest/worker", "./internal/stacktest/notedserver")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// A process is a running program and what it wrote.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has ended and its output is read

	mu    sync.Mutex // guards what follows
	jobs  map[string]*job
	order []*job
	stop  []pauseOf
	ended time.Time
}

// A job is what a worker said of one.
type job struct {
	name       string
	begin, end time.Time
	over, lost bool
	steps      []time.Time
}

// pauseOf is a time in which a process was stopped. It may have run for a
// moment longer than from begin, and was stopped for certain until end.
type pauseOf struct{ begin, end time.Time }

func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	dir, err := programs()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(filepath.Join(dir, program), args...), done: make(chan struct{}), jobs: map[string]*job{}}
	p.cmd.Stderr = nil
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.take(lines.Text())
		}
		_ = p.cmd.Wait() // a killed process has no good exit
	}()
	t.Cleanup(p.kill)
	return p
}

// take notes a line of a worker.
func (p *process) take(line string) {
	var what, id string
	var nanos int64
	if n, _ := fmt.Sscan(line, &what, &id, &nanos); n != 3 {
		return // the last line of a killed process
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Unix(0, nanos)
	j := p.jobs[id]
	if j == nil {
		j = &job{name: fmt.Sprintf("%d/%s", p.cmd.Process.Pid, id), begin: at}
		p.jobs[id] = j
		p.order = append(p.order, j)
	}
	switch what {
	case "step":
		j.steps = append(j.steps, at)
	case "end", "lost":
		j.end, j.over, j.lost = at, true, what == "lost"
	}
}

// kill ends the process at once, and waits for it.
func (p *process) kill() {
	p.mu.Lock()
	if p.ended.IsZero() {
		p.ended = time.Now()
	}
	p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// pause stops the process for a while.
func (p *process) pause(t *testing.T, d time.Duration) {
	from := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(d)
	p.mu.Lock()
	p.stop = append(p.stop, pauseOf{from, time.Now()})
	p.mu.Unlock()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// finish has the worker end by itself.
func (p *process) finish(t *testing.T) {
	require.NoError(t, p.stdin.Close())
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(t, "the worker did not end")
	}
	require.Truef(t, p.cmd.ProcessState.Success(), "worker: %v", p.cmd.ProcessState)
}

// begun returns how many jobs the process has begun.
func (p *process) begun() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order)
}

// holding returns how many jobs are under way.
func (p *process) holding() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, j := range p.order {
		if !j.over {
			n++
		}
	}
	return n
}

// intervals returns when the process's jobs ran. A stopped process runs
// nothing. When it resumes it may do one step more before it learns that its
// slot is gone, which is what no lock can prevent: the job counts again from
// its second step.
func (p *process) intervals(t *testing.T) []check.Interval {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ivs []check.Interval
	for _, j := range p.order {
		end := j.end
		if !j.over {
			end = p.ended
		}
		start := j.begin
		for _, s := range p.stop {
			if s.end.Before(start) || end.Before(s.begin) {
				continue
			}
			ivs = append(ivs, check.Interval{Key: "processes", Holder: j.name, Start: start, End: s.begin})
			after := slices.DeleteFunc(slices.Clone(j.steps), s.end.After)
			if j.lost {
				require.LessOrEqualf(t, len(after), 1, "steps of job %s after its process resumed", j.name)
			}
			start = end
			if len(after) > 1 {
				start = after[1]
			}
		}
		if start.Before(end) {
			ivs = append(ivs, check.Interval{Key: "processes", Holder: j.name, Start: start, End: end})
		}
	}
	return ivs
}

// A fleet is a server and workers, each a process.
type fleet struct {
	t       *testing.T
	mode    mode
	address string
	server  *process
	workers []*process
	gone    []*process
	traces  string // the folder of what processes note; "": they note nothing
}

const (
	fleetLimit = 2
	fleetLease = 2 * time.Second
	// A process that resumes is told within a step that its slot is gone: a busy
	// machine may let its goroutines wait for some tens of milliseconds.
	fleetStep = 100 * time.Millisecond
)

func newFleet(t *testing.T, m mode, workers int) *fleet {
	return (&fleet{t: t, mode: m, address: lockserver.FreeAddress(t)}).launch(workers)
}

// launch starts the server and the workers.
func (f *fleet) launch(workers int) *fleet {
	f.startServer()
	for range workers {
		f.workers = append(f.workers, f.startWorker())
	}
	return f
}

func (f *fleet) startServer() {
	host, port, err := net.SplitHostPort(f.address)
	require.NoError(f.t, err)
	args := []string{"--host", host, "--port", port}
	if f.mode == strict {
		lease := fmt.Sprint(int(fleetLease.Seconds()))
		args = append(args, "--no-auto-release-on-disconnect", "--default-lease-ttl", lease, "--max-lease", lease) // and so a grace of that length
	}
	if f.traces == "" {
		f.server = start(f.t, "dflockd", args...)
	} else {
		f.server = start(f.t, "notedserver", "-address", f.address, fmt.Sprint("-strict=", f.mode == strict),
			"-lease", fleetLease.String(), "-trace", filepath.Join(f.traces, "server"))
	}
	f.eventually("the server listens", func() bool {
		c, err := net.Dial("tcp", f.address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

func (f *fleet) startWorker() *process { return f.startWorkerOf(fleetLimit) }

// startWorkerOf starts a worker whose claims have this limit.
func (f *fleet) startWorkerOf(limit int) *process {
	args := []string{"-server", f.address, "-limit", fmt.Sprint(limit), "-lease", fleetLease.String(), "-step", fleetStep.String()}
	if f.traces != "" {
		node := fmt.Sprint("worker-", len(f.workers)+len(f.gone))
		args = append(args, "-trace", filepath.Join(f.traces, node), "-node", node)
	}
	return start(f.t, "worker", args...)
}

// eventually waits for a condition.
func (f *fleet) eventually(what string, ok func() bool) {
	f.t.Helper()
	require.Eventuallyf(f.t, ok, patience, 5*time.Millisecond, "waited %v until %s", patience, what)
}

// progress waits until every worker has begun another job.
func (f *fleet) progress(after string) {
	f.t.Helper()
	for i, w := range f.workers {
		before := w.begun()
		f.eventually(fmt.Sprintf("worker %d goes on after %s", i, after), func() bool { return w.begun() > before })
	}
}

// kick does something bad, of four kinds, to a process drawn by rng.
func (f *fleet) kick(kind int, rng *rand.Rand) string {
	i := rng.IntN(len(f.workers))
	long := time.Duration(rng.Int64N(int64(3 * fleetLease / 2)))
	switch kind {
	case 0:
		f.workers[i].kill()
		f.gone = append(f.gone, f.workers[i])
		f.workers[i] = f.startWorker()
		return "a worker was killed"
	case 1:
		f.workers[i].pause(f.t, long)
		return fmt.Sprintf("a worker was stopped for %v", long)
	case 2:
		f.server.kill()
		f.eventually("every job's context has ended", func() bool { return f.mode == strict || f.holding() == 0 })
		f.startServer()
		return "the server was killed"
	default:
		f.server.pause(f.t, long)
		return fmt.Sprintf("the server was stopped for %v", long)
	}
}

func (f *fleet) holding() int {
	n := 0
	for _, w := range f.workers {
		n += w.holding()
	}
	return n
}

// TestLimitHoldsWhileProcessesAreKilledAndStopped kills and stops a real server
// and real workers. No more jobs than the limit ever run, and work goes on
// each time.
func TestLimitHoldsWhileProcessesAreKilledAndStopped(t *testing.T) {
	kicks := faultnet.Count(t, "BERTH_KILLS", 4)
	for _, m := range []mode{strict, immediate} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			seed := faultnet.Seed(t)
			rng := rand.New(rand.NewPCG(seed, 4))
			f := newFleet(t, m, 3)
			f.progress("the start")
			var did []string
			var kinds []int
			for range kicks {
				if len(kinds) == 0 {
					kinds = rng.Perm(4)
				}
				did = append(did, f.kick(kinds[0], rng))
				kinds = kinds[1:]
				f.progress(did[len(did)-1])
			}
			for _, w := range f.workers {
				w.finish(t)
			}
			var ivs []check.Interval
			for _, w := range append(f.gone, f.workers...) {
				ivs = append(ivs, w.intervals(t)...)
			}
			f.judge(ivs)
			t.Logf("seed %d: %s", seed, strings.Join(did, ", "))
			counts.Report(t, counts.Of{"jobs": len(ivs), "kills": killed(did), "stops": len(did) - killed(did)})
		})
	}
}

// killed counts the kicks that killed a process; the others stopped one.
func killed(did []string) (n int) {
	for _, d := range did {
		if strings.HasSuffix(d, "killed") {
			n++
		}
	}
	return n
}

// judge asks that no more jobs ran at once than may.
func (f *fleet) judge(ivs []check.Interval) {
	require.Empty(f.t, check.Overlaps(fleetLimit, ivs))
}
