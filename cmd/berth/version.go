package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of a binary that a script built, set by the linker. What go
// install builds knows its version itself.
var release string

// build returns the version.
func build() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func version() string {
	return fmt.Sprintf("berth %s, %s, %s/%s", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
					"version": build(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			fmt.Fprintln(cmd.OutOrStdout(), version())
			return nil
		},
	}
}
