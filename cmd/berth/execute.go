package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
)

// Exit statuses of berth itself. Those of run can be changed by flags; they lie
// where neither shells nor most commands have any.
const (
	statusOK         = 0
	statusFailed     = 1
	statusNotGranted = 120
	statusNoEngine   = 121
	statusLost       = 122
	statusMisused    = 125 // as of env, nohup and timeout: it did not get as far as the command
	statusNotRun     = 126 // as of shells
	statusNotFound   = 127
	statusSignaled   = 128 // and the signal's number
)

// A status is an error that ends the program with a number of its own. Without
// an error there is nothing to say.
type status struct {
	code int
	err  error
}

func (s *status) Error() string {
	if s.err == nil {
		return ""
	}
	return s.err.Error()
}

func (s *status) Unwrap() error { return s.err }

// execute is main with what it depends on. It returns the exit status.
func execute(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	return complain(cmd, err, stderr)
}

// complain says in one line what is wrong, and returns the exit status.
func complain(cmd *cobra.Command, err error, stderr io.Writer) int {
	if err == nil {
		return statusOK
	}
	s, ok := errors.AsType[*status](err)
	if !ok { // of cobra, which knows flags and arguments
		s = &status{statusMisused, err}
	}
	if line := engine.Words(strings.ReplaceAll(s.Error(), "\n", "; ")); line != "" {
		if s.code == statusMisused {
			line += fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
		}
		fmt.Fprintf(stderr, "berth: %s\n", line)
	}
	return s.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Run commands under slots of a semaphore that machines share",
		Long: `Berth runs commands under slots of a semaphore that machines share: at most
N of them run at once, whichever machine they are started on.

The engine that has the slots is named by a URL, in --engine or the variable
BERTH_ENGINE: dflockd://host:port, dflockd://host,host for several servers,
or dflockd:///path for a Unix socket.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       banner(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	g := &global{}
	g.flags(root)
	root.AddCommand(newRun(g), newLs(g), newInspect(g), newPause(g), newRevoke(g), newTop(g), newPing(g), newVersion(g), newKeeper())
	return root
}
