package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/cmd/berth/internal/keeper"
)

// keeperName is the command by which the front starts the keeper.
const keeperName = "keeper"

// A request is what a user asks of run. It is sent to the keeper as it is.
type request struct {
	Job    keeper.Job
	Limit  int
	Engine engine.Settings
}

// runFlags are those of run.
type runFlags struct {
	limit         int
	name          string
	lease         time.Duration
	grace         time.Duration
	timeout       time.Duration
	waitForEngine bool
	quiet         bool
	statuses      statuses
}

// statuses are the exit statuses that flags can change.
type statuses struct{ notGranted, noEngine, lost int }

func newRun(g *global) *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run KEY --limit N [flags] -- command [argument…]",
		Short: "Run a command under a slot",
		Long: `Run a command under a slot of KEY: at most N of them run at once, wherever they
are started. It waits its turn, runs the command, and gives the slot back when the
command and all that it has started have ended.

When the slot cannot be renewed, everything that the command has started is sent
SIGTERM a while (--grace) before the slot could be somebody else's, and SIGKILL
then. The command has the key in BERTH_KEY and, where the engine has one, a number
that grows with each grant in BERTH_FENCE.

Status: that of the command; 128 and the signal's number if a signal ended it;
126 if it cannot be run, 127 if it is not there; 120 if no slot was granted, 121 if
the engine cannot be reached, 122 if the slot was lost, 125 if what was asked for
makes no sense.`,
		Example: `  berth run nightly --limit 1 -- make report
  berth run builds --limit 4 --timeout 10m -- sh -c 'make && make check'`,
		Args:              checkRunArgs,
		ValidArgsFunction: g.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := f.request(cmd, args)
			if err != nil {
				return err
			}
			req.Engine = g.engine
			req.Engine.Name, req.Engine.Lease = f.name, f.lease
			s := &screen{w: cmd.ErrOrStderr(), key: args[0], limit: f.limit, terminal: isTerminal(cmd.ErrOrStderr()), quiet: f.quiet, json: g.json}
			return f.statuses.of(runFront(req, s), s)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *runFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.limit, "limit", 0, "how many may hold a slot of the key at once; needed")
	fl.StringVar(&f.name, "name", "", "what others see who has the slot (default host:pid)")
	fl.DurationVar(&f.lease, "lease", 0, "how long the engine keeps the slot when nobody renews it (default: the engine's)")
	fl.DurationVar(&f.grace, "grace", 0, "time between SIGTERM and SIGKILL (default 10s, or a third of the lease if that is less)")
	fl.DurationVar(&f.timeout, "timeout", 0, "how long to wait for the slot; 0: only if one is free now (default: as long as it takes)")
	fl.BoolVar(&f.waitForEngine, "wait-for-engine", false, "wait also for an engine that cannot be reached")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but why berth failed")
	fl.IntVar(&f.statuses.notGranted, "status-not-granted", statusNotGranted, "status if no slot was granted")
	fl.IntVar(&f.statuses.noEngine, "status-no-engine", statusNoEngine, "status if the engine cannot be reached")
	fl.IntVar(&f.statuses.lost, "status-lost", statusLost, "status if the slot was lost")
	fromVariable(fl, "name", "BERTH_NAME")
	fromVariable(fl, "lease", "BERTH_LEASE")
	fromVariable(fl, "grace", "BERTH_GRACE")
	_ = cmd.MarkFlagRequired("limit") // it was defined above
}

// checkRunArgs wants a key in front of the two dashes and a command behind them.
func checkRunArgs(cmd *cobra.Command, args []string) error {
	switch at := cmd.ArgsLenAtDash(); {
	case at < 0:
		return errors.New("the command has to stand behind two dashes: berth run KEY --limit N -- command")
	case at != 1:
		return fmt.Errorf("one key is wanted in front of the two dashes, and %d are there", at)
	case len(args) == 1:
		return errors.New("there is no command behind the two dashes")
	}
	return nil
}

// request reads what was asked for.
func (f *runFlags) request(cmd *cobra.Command, args []string) (*request, error) {
	if f.limit < 1 {
		return nil, fmt.Errorf("--limit is %d: it must be 1 or more", f.limit)
	}
	req := &request{Limit: f.limit, Job: keeper.Job{Key: args[0], Command: args[1:], WaitForEngine: f.waitForEngine}}
	for name, d := range map[string]time.Duration{"lease": f.lease, "grace": f.grace, "timeout": f.timeout} {
		if d < 0 {
			return nil, fmt.Errorf("--%s is %v: it must not be negative", name, d)
		}
	}
	if cmd.Flags().Changed("grace") {
		req.Job.Grace = &f.grace
	}
	if cmd.Flags().Changed("timeout") {
		req.Job.Timeout = &f.timeout
	}
	for name, n := range map[string]int{"not-granted": f.statuses.notGranted, "no-engine": f.statuses.noEngine, "lost": f.statuses.lost} {
		if n < 0 || n > 255 {
			return nil, fmt.Errorf("--status-%s is %d: a status is from 0 to 255", name, n)
		}
	}
	return req, nil
}

// of returns the outcome as a status, with what there is to say about it.
func (st statuses) of(o keeper.Outcome, s *screen) error {
	code := statusMisused
	switch o.Kind {
	case keeper.Exited:
		code = o.Code
	case keeper.Signaled:
		code = statusSignaled + int(o.Signal)
	case keeper.NotFound:
		code = statusNotFound
	case keeper.NotRun:
		code = statusNotRun
	case keeper.NotGranted:
		code = st.notGranted
	case keeper.NoEngine:
		code = st.noEngine
	case keeper.Lost:
		code = st.lost
	}
	s.over(o, code)
	if s.json || o.Reason == "" {
		return &status{code: code}
	}
	return &status{code: code, err: errors.New(o.Reason)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
