package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
)

func newLs(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List the keys that are held or waited for",
		Long: `List the keys that are held or waited for: those that begin with PREFIX, or all.
A server that does not answer is said so, and the status is 121; the keys of the
others are listed all the same.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd.Context(), timeout, func(ctx context.Context, e engine.Engine) error {
				keys, err := e.List(ctx)
				if len(args) == 1 {
					keys = slices.DeleteFunc(keys, func(k engine.Key) bool { return !strings.HasPrefix(k.Key, args[0]) })
				}
				slices.SortFunc(keys, func(a, b engine.Key) int { return strings.Compare(a.Key, b.Key) })
				if failed := writeKeys(cmd.OutOrStdout(), keys, g.json); failed != nil {
					return &status{statusFailed, failed}
				}
				if err != nil {
					return failed(err)
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}

func writeKeys(w io.Writer, keys []engine.Key, asJSON bool) error {
	if asJSON {
		if keys == nil {
			keys = []engine.Key{}
		}
		return json.NewEncoder(w).Encode(keys)
	}
	if len(keys) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tHELD\tLIMIT\tWAITING\tSERVER")
	for _, k := range keys {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\n", k.Key, k.Held, k.Limit, k.Waiting, k.Server)
	}
	return t.Flush()
}

// completeKey offers the keys that are in use. What follows the key is the shell's.
func (g *global) completeKey(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	if g.prepare(cmd) == nil {
		_ = g.ask(cmd.Context(), time.Second, func(ctx context.Context, e engine.Engine) error {
			keys, err := e.List(ctx)
			for _, k := range keys {
				if strings.HasPrefix(k.Key, begun) {
					names = append(names, k.Key)
				}
			}
			return err
		})
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
