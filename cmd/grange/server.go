package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"grange/internal/config"
	"grange/internal/node"
)

func (a *app) serverCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "server", Short: "Run a node", Args: exactly(),
		Long: "Server runs a node until it gets SIGINT or SIGTERM; then requests in flight finish. A second signal ends it at once.\n" +
			"It works without any configuration; docs/reference/configuration.md tells what can be set. Each flag has a\n" +
			"variable GRANGE_… of its name and a line of its name in the file.\n\n" +
			"GRANGE_ACCESS_KEY, GRANGE_SECRET_KEY and GRANGE_BUCKET make a key and a bucket at the first start.",
	}
	file := configFlags(c)
	c.RunE = func(*cobra.Command, []string) error {
		l, err := a.load(c, *file)
		if err != nil {
			return err
		}
		return a.serve(c.Context(), l)
	}
	return c
}

func (a *app) serve(ctx context.Context, l *config.Loaded) error {
	log := newLogger(a.err, l.Config)
	for _, notice := range l.Notices {
		log.LogAttrs(ctx, slog.LevelWarn, "notice on the configuration", slog.String("notice", notice))
	}
	if l.File != "" {
		log.LogAttrs(ctx, slog.LevelInfo, "configuration file was read", slog.String("file", l.File))
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// After the first signal the second one has its usual effect, and ends the process.
	context.AfterFunc(ctx, stop)
	if err := node.Run(ctx, node.Options{Loaded: l, Logger: log}); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	log.LogAttrs(ctx, slog.LevelInfo, "node has stopped")
	return nil
}

func newLogger(w io.Writer, c config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // config.Load checked it
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
