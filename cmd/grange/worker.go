package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"grange/internal/api/admin"
)

func (a *app) workerCommand() *cobra.Command {
	return a.onNode(group("worker", "Look at the background workers and steer them",
		a.workerListCommand(),
		a.workerTellCommand("pause", "Let a worker rest until it is resumed, across restarts", admin.PauseWorker),
		a.workerTellCommand("resume", "Let a worker go on", admin.ResumeWorker),
		a.workerTellCommand("run", "Let a worker begin now instead of when it is due", admin.RunWorker),
		a.workerSetCommand()))
}

func (a *app) workerListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the workers with what they do", Args: exactly(),
		RunE: a.called(func(ctx context.Context, c *admin.Client, _ []string) error {
			workers, err := c.Workers(ctx)
			if err != nil {
				return err
			}
			return a.showWorkers(admin.WorkerList{Workers: workers}, workers)
		}),
	}
}

func (a *app) workerTellCommand(name, short string, action admin.WorkerAction) *cobra.Command {
	return &cobra.Command{
		Use: name + " WORKER", Short: short, Args: exactly("WORKER"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			worker, err := c.TellWorker(ctx, args[0], action)
			if err != nil {
				return err
			}
			return a.showWorkers(worker, []admin.Worker{worker})
		}),
	}
}

func (a *app) workerSetCommand() *cobra.Command {
	var tranquility float64
	c := &cobra.Command{
		Use: "set WORKER --tranquility N", Short: "Change the settings of a worker", Args: exactly("WORKER"),
	}
	c.Flags().Float64Var(&tranquility, "tranquility", 0, "rest `N` times as long as the worker works, so that clients come first")
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, args []string) error {
		if !c.Flags().Changed("tranquility") {
			return usage("name what to change: --tranquility")
		}
		worker, err := client.ChangeWorker(ctx, args[0], admin.WorkerChange{Tranquility: &tranquility})
		if err != nil {
			return err
		}
		return a.showWorkers(worker, []admin.Worker{worker})
	})
	return c
}

func (a *app) showWorkers(v any, workers []admin.Worker) error {
	return a.show(v, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tSTATE\tPROGRESS\tNEXT\tTRANQUILITY\tFAILURES\tDESCRIPTION")
		for _, x := range workers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%g\t%d\t%s\n", x.Name, workerState(x), progress(x), next(x), x.Tranquility, x.Failures, x.Description)
		}
		for _, x := range workers {
			if x.LastError != "" {
				fmt.Fprintf(w, "last error of %s: %s\n", x.Name, x.LastError)
			}
		}
	})
}

func workerState(x admin.Worker) string {
	if x.Pausing {
		return x.State + ", pausing"
	}
	return x.State
}

func next(x admin.Worker) string {
	if x.NextStep == nil {
		return "-"
	}
	return day(*x.NextStep)
}

func progress(x admin.Worker) string {
	switch {
	case x.Total > 0 && x.RemainingSeconds > 0:
		left := time.Duration(x.RemainingSeconds * float64(time.Second)).Round(time.Second)
		return fmt.Sprintf("%d %%, %v left", 100*x.Done/x.Total, left)
	case x.Total > 0:
		return fmt.Sprintf("%d %%", 100*x.Done/x.Total)
	}
	return "-"
}
