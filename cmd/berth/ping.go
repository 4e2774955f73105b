package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
)

func newPing(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "Ask the engine whether it answers",
		Long: `Ask the engine whether it answers, for scripts and for people. With several
servers each of them has to. Status 121 says that one did not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd.Context(), timeout, func(ctx context.Context, e engine.Engine) error {
				begin := time.Now()
				if err := e.Ping(ctx); err != nil {
					return &status{statusNoEngine, err}
				}
				took := time.Since(begin)
				if g.json {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"engine": g.engine.URL, "seconds": took.Seconds()})
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s answered in %v\n", g.engine.URL, took.Round(10*time.Microsecond))
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}
