package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"grange/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	return group("config", "Look at the configuration", a.configCheckCommand(), a.configShowCommand())
}

func (a *app) configCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Tell whether the server would start with this configuration", Args: exactly(),
		Long: "Check reads the configuration as \"grange server\" does, with the same flags, and tells what is wrong with it.\nIt does not look at the data.",
	}
	file := configFlags(c)
	c.RunE = func(*cobra.Command, []string) error {
		l, err := a.load(c, *file)
		if err != nil {
			return err
		}
		v := map[string]any{"ok": true, "file": l.File, "notices": append([]string{}, l.Notices...)}
		return a.show(v, func(w io.Writer) {
			for _, n := range l.Notices {
				fmt.Fprintln(w, "notice: "+n)
			}
			fmt.Fprintln(w, "The configuration is good.")
		})
	}
	return c
}

func (a *app) configShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Show the configuration that the server would start with, as a file", Args: exactly(),
	}
	file := configFlags(c)
	c.RunE = func(*cobra.Command, []string) error {
		l, err := a.load(c, *file)
		if err != nil {
			return err
		}
		return a.show(l.Config, func(w io.Writer) { _, _ = w.Write(l.WriteTOML()) })
	}
	return c
}

// configFlags gives a command all settings as flags, and the one that names the file.
func configFlags(c *cobra.Command) (file *string) {
	file = c.Flags().String("config", "", "configuration `FILE` (or GRANGE_CONFIG; "+config.SystemFile+" if it is there)")
	config.AddFlags(c.Flags())
	return file
}

func (a *app) load(c *cobra.Command, file string) (*config.Loaded, error) {
	return config.Load(config.Sources{File: file, Environ: a.environ, Flags: c.Flags(), UID: a.uid})
}
