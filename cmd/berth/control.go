package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/slot"
)

func newPause(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "pause KEY TIME",
		Short: "Let no slot of a key be granted for a time",
		Long: `Let no slot of a key be granted for a time such as 90s or 2h, to anybody. Slots that
are held stay so. 0 ends a pause. It needs the secret of an administrator: who only
has that of a client may pause a key that he holds, which a command that asks for
this does not. An engine that restarts may have forgotten a pause.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: g.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := time.ParseDuration(args[1])
			if err != nil || d < 0 {
				return fmt.Errorf("the time is %q: it is written as 90s or 2h, or 0 to end a pause", args[1])
			}
			return g.ask(cmd.Context(), timeout, func(ctx context.Context, e engine.Engine) error {
				if err := slot.Pause(ctx, e, args[0], d); err != nil {
					return failed(err)
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}

func newRevoke(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "revoke KEY ID",
		Short: "Take a slot back from its holder",
		Long: `Take a slot back from the holder whose ID inspect shows. It is not renewed any more:
the holder learns of it at its next renewal, a berth run ends its command then, and
the slot is free when its lease ends. It needs the secret of an administrator.
Status 1 says that nobody has the ID, or that it is not allowed.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: g.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd.Context(), timeout, func(ctx context.Context, e engine.Engine) error {
				if err := slot.Revoke(ctx, e, args[0], args[1]); err != nil {
					return failed(err)
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}
