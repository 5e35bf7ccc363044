package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"grange/internal/node"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Tell the version of this program", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": node.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return a.show(v, func(w io.Writer) {
				fmt.Fprintf(w, "grange %s (%s, %s)\n", v["version"], v["go"], v["platform"])
			})
		},
	}
}
