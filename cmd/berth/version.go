package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/internal/version"
)

// banner says what was built, on one line.
func banner() string {
	return fmt.Sprintf("berth %s, %s, %s/%s", version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
					"version": version.String(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			fmt.Fprintln(cmd.OutOrStdout(), banner())
			return nil
		},
	}
}
