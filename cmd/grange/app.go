package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"grange/internal/api/admin"
	"grange/internal/config"
	"grange/internal/node"
)

// app is the command line: what all commands share.
type app struct {
	out, err io.Writer
	environ  []string
	uid      int

	json      bool   // --json
	adminURL  string // --admin
	tokenFile string // --admin-token-file
	dataDir   string // --data-dir
}

// main runs one command and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(a.err, "grange: "+line)
		}
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "grange",
		Short:         "An object store for several places that speaks S3",
		Long:          "Grange keeps files on small machines in several places and serves them by S3.\n\n" + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs, // holder says what is wrong with them
		RunE:          holder,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON, for programs")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w; see \"%s --help\"", err, c.CommandPath())
	})
	root.AddCommand(
		a.serverCommand(), a.configCommand(), a.statusCommand(),
		a.accountCommand(), a.bucketCommand(), a.keyCommand(), a.workerCommand(),
		a.inspectCommand(), a.benchCommand(), a.presignCommand(), a.versionCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: holder}
	c.AddCommand(children...)
	return c
}

// holder runs a command that only holds others: alone it shows its help.
func holder(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unknown command %q; see \"%s --help\"", args[0], c.CommandPath())
	}
	return c.Help()
}

// onNode gives a command the flags that say which node it speaks to.
func (a *app) onNode(c *cobra.Command) *cobra.Command {
	f := c.PersistentFlags()
	f.StringVar(&a.dataDir, "data-dir", "", "data `DIR`ectory of the node on this machine")
	f.StringVar(&a.adminURL, "admin", "", "`URL` of the node's admin API, instead of the data directory's node (or GRANGE_ADMIN)")
	f.StringVar(&a.tokenFile, "admin-token-file", "", "`FILE` with the admin token (or GRANGE_ADMIN_TOKEN with the token itself)")
	return c
}

// exactly makes the check of a command's arguments, whose names are shown when they are missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s is missing: %s", names[len(args)], c.UseLine())
		}
		if len(args) > len(names) {
			return usage("%q is too much: %s", args[len(names)], c.UseLine())
		}
		return nil
	}
}

// settings are those of the node on this machine, as far as a command needs them to find it.
func (a *app) settings() (*config.Loaded, error) {
	environ := a.environ
	if a.dataDir != "" {
		environ = append(slices.Clip(environ), "GRANGE_DATA_DIR="+a.dataDir)
	}
	if a.tokenFile != "" {
		environ = append(slices.Clip(environ), "GRANGE_ADMIN_TOKEN_FILE="+a.tokenFile)
	}
	return config.Load(config.Sources{Environ: environ, UID: a.uid})
}

// client speaks to the node that the flags, the environment or the data directory name.
func (a *app) client() (*admin.Client, error) {
	l, err := a.settings()
	if err != nil {
		return nil, err
	}
	base := a.adminURL
	if base == "" {
		base = a.getenv("GRANGE_ADMIN")
	}
	if base == "" {
		runtime, err := node.ReadRuntime(l.DataDir)
		if err != nil {
			return nil, err
		}
		base = runtime.Admin
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	token, err := node.ReadToken(l)
	if err != nil {
		return nil, err
	}
	return admin.NewClient(strings.TrimSuffix(base, "/"), token), nil
}

func (a *app) getenv(name string) string {
	for _, v := range a.environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// show writes v: as JSON if that was asked for, else as text makes it.
func (a *app) show(v any, text func(w io.Writer)) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// called makes a command's function out of one that speaks to the node.
func (a *app) called(f func(ctx context.Context, c *admin.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		err = f(cmd.Context(), c, args)
		if errors.Is(err, admin.ErrUnreachable) {
			return fmt.Errorf("no node answers at %s: start it with \"grange server\", or name another with --data-dir or --admin (%w)", c.Base(), err)
		}
		if errors.Is(err, &admin.Error{Code: admin.Unauthorized}) {
			return fmt.Errorf("the node at %s refuses the admin token: give the right one with --admin-token-file or GRANGE_ADMIN_TOKEN (%w)", c.Base(), err)
		}
		return err
	}
}
