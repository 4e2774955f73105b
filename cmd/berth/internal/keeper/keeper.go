package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berth-go/berth/slot"

	"github.com/berth-go/berth/cmd/berth/internal/process"
)

// A Job is a command to be run under a slot.
type Job struct {
	Key     string
	Command []string
	// Group is the process group that the command joins, see [process.Command].
	Group int
	// Grace is the time between SIGTERM and SIGKILL; nil stands for DefaultGrace,
	// or less where the lease is short.
	Grace *time.Duration
	// Timeout is how long to wait for the slot; nil: as long as it takes.
	Timeout *time.Duration
	// WaitForEngine has an engine waited for that cannot be reached at first.
	WaitForEngine bool
}

// DefaultGrace is the time between SIGTERM and SIGKILL, unless a third of the time
// for which the slot may be relied on without a renewal is less.
const DefaultGrace = 10 * time.Second

// An Order is a signal for the command. One that is Shared has reached it already:
// a terminal sends its signals to everybody in the foreground.
type Order struct {
	Signal syscall.Signal
	Shared bool
}

// Tree is a command and what it has started: a [process.Tree].
type Tree interface {
	Pid() int
	Changed() <-chan struct{}
	Events() []process.Event
	Signal(syscall.Signal)
	Ask()
	Kill()
	Gone() bool
	Left() []int
	Close()
}

var _ Tree = (*process.Tree)(nil)

// A Keeper holds a slot for a job. All fields have to be set.
type Keeper struct {
	Job    Job
	Source slot.Source
	// Start starts the command in that environment.
	Start func(path string, env []string) (Tree, error)
	// Say tells of what happens. It is called on the goroutine of Run and must not
	// block.
	Say func(Event)
	// Orders has signals for the command. It is closed when who gave them has gone:
	// then nobody wants the command any more, and it is ended.
	Orders <-chan Order
	// Hung reports whether the terminal has gone that could continue a stopped job.
	// It is asked once a second while the job is stopped.
	Hung func() bool
}

// errGone is why a claim is given up when nobody wants it any more.
var errGone = errors.New("who wanted the slot has gone")

// askHung is how often a stopped job is asked whether anybody can continue it.
const askHung = time.Second

// Run waits for the slot, runs the command and returns when nothing of it is left
// and the slot has been given back. The source stays open.
func (k *Keeper) Run(ctx context.Context) Outcome {
	path, failed := k.lookUp()
	if failed != nil {
		return *failed
	}
	s, failed := k.claim(ctx)
	if failed != nil {
		return *failed
	}
	defer func() { _ = s.Release() }() // what is lost is lost
	grace, err := k.grace(s.Info())
	if err != nil {
		return Outcome{Kind: Misused, Reason: err.Error()}
	}
	tree, err := k.Start(path, environment(s.Info()))
	if err != nil {
		return *cannotRun(k.Job.Command[0], err)
	}
	defer tree.Close()
	h := &hold{keeper: k, slot: s, tree: tree, grace: grace, orders: k.Orders}
	k.Say(Event{Kind: Started, Pid: tree.Pid()})
	return h.run()
}

// lookUp finds the program before a slot is waited for.
func (k *Keeper) lookUp() (string, *Outcome) {
	path, err := exec.LookPath(k.Job.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) { // a . in PATH is meant
		return "", cannotRun(k.Job.Command[0], err)
	}
	return path, nil
}

// environment is that of the command: ours, with what is to be known of the slot. A
// berth run around this one has told the command of its own slot, which is not meant.
func environment(info slot.Info) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, keyVariable+"=") || strings.HasPrefix(v, fenceVariable+"=")
	})
	env = append(env, keyVariable+"="+info.Key)
	if info.Fence != 0 {
		env = append(env, fenceVariable+"="+strconv.FormatUint(info.Fence, 10))
	}
	return env
}

const (
	keyVariable   = "BERTH_KEY"
	fenceVariable = "BERTH_FENCE"
)

// grace returns the time between SIGTERM and SIGKILL. SIGTERM must not be sent
// because a renewal is a little late, so half of the lease is left for renewals.
func (k *Keeper) grace(info slot.Info) (time.Duration, error) {
	window := time.Until(info.ExpiresAt)
	switch asked := k.Job.Grace; {
	case info.ExpiresAt.IsZero() && asked == nil:
		return DefaultGrace, nil
	case info.ExpiresAt.IsZero():
		return *asked, nil
	case asked == nil:
		return min(DefaultGrace, window/3), nil
	case *asked > window/2:
		return 0, fmt.Errorf("a grace of %v does not fit into the lease, which may be relied on for %v without a renewal: it can be %v at most, or take a longer lease (--lease)",
			*asked, window.Round(100*time.Millisecond), (window / 2).Round(100*time.Millisecond))
	default:
		return *asked, nil
	}
}
