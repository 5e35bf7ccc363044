package node

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"grange/internal/api/admin"
	"grange/internal/worker"
)

// workers run the background work of the node; the admin API shows and steers them.
type workers struct {
	*worker.Manager
	cancel context.CancelFunc
	done   chan error // of Run
}

var _ admin.Workers = (*workers)(nil)

func (n *node) startWorkers(context.Context) error {
	tasks, err := n.tasks()
	if err != nil {
		return err
	}
	m := worker.NewManager(n.meta, n.workerEvents())
	for _, t := range tasks {
		if err := m.Register(t); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(n.ended)
	n.workers = &workers{Manager: m, cancel: cancel, done: make(chan error, 1)}
	go func() { n.workers.done <- m.Run(ctx) }()
	return nil
}

// stop ends the workers before the parts that they work with.
func (w *workers) stop() error {
	w.cancel()
	return <-w.done
}

func (n *node) workerEvents() worker.Events {
	return worker.Events{
		Failed: func(name string, err error, pause time.Duration) {
			if n.ended.Err() == nil && !errors.Is(err, context.Canceled) {
				n.metrics.trouble.WithLabelValues(troubleWorker).Inc()
				n.log.LogAttrs(context.Background(), slog.LevelWarn, "worker failed, it tries again",
					slog.String("worker", name), slog.Any("error", err), slog.Duration("pause", pause))
			}
		},
		Recovered: func(name string) {
			n.log.LogAttrs(context.Background(), slog.LevelInfo, "worker goes on after failures", slog.String("worker", name))
		},
	}
}

// Workers lists all workers, by name.
func (w *workers) Workers() []admin.Worker {
	list := []admin.Worker{}
	for _, s := range w.List() {
		list = append(list, toWorker(s))
	}
	return list
}

func toWorker(s worker.Status) admin.Worker {
	out := admin.Worker{
		Name: s.Name, Description: s.Description, State: string(s.State), Pausing: s.Pausing,
		Done: s.Progress.Done, Total: s.Progress.Total, Steps: s.Steps, Failures: s.Failures, Tranquility: s.Tranquility,
	}
	if s.LastError != nil {
		out.LastError, out.LastErrorAt = s.LastError.Error(), &s.LastErrorAt
	}
	if s.Remaining > 0 {
		out.RemainingSeconds = s.Remaining.Seconds()
	}
	if !s.LastStep.IsZero() {
		out.LastStep = &s.LastStep
	}
	if !s.NextStep.IsZero() {
		out.NextStep = &s.NextStep
	}
	return out
}

// TellWorker carries out an operator's order.
func (w *workers) TellWorker(name string, a admin.WorkerAction) (admin.Worker, error) {
	orders := map[admin.WorkerAction]func(string) error{
		admin.PauseWorker: w.Pause, admin.ResumeWorker: w.Resume, admin.RunWorker: w.RunNow,
	}
	return w.after(name, orders[a](name))
}

// ChangeWorker changes a worker's settings.
func (w *workers) ChangeWorker(name string, ch admin.WorkerChange) (admin.Worker, error) {
	if ch.Tranquility == nil {
		return w.after(name, nil)
	}
	return w.after(name, w.SetTranquility(name, *ch.Tranquility))
}

// after shows a worker after an order, or tells in the terms of the API why it was refused.
func (w *workers) after(name string, err error) (admin.Worker, error) {
	switch {
	case errors.Is(err, worker.ErrUnknown):
		return admin.Worker{}, &admin.Error{Code: admin.NotFound, Message: "there is no worker " + name + ": \"grange worker list\" names them"}
	case errors.Is(err, worker.ErrPaused):
		return admin.Worker{}, &admin.Error{Code: admin.Invalid, Message: "worker " + name + " is paused: resume it first"}
	case errors.Is(err, worker.ErrInvalid):
		return admin.Worker{}, &admin.Error{Code: admin.Invalid, Message: err.Error()}
	case err != nil:
		return admin.Worker{}, err
	}
	for _, x := range w.Workers() {
		if x.Name == name {
			return x, nil
		}
	}
	return admin.Worker{}, &admin.Error{Code: admin.NotFound, Message: "there is no worker " + name + ": \"grange worker list\" names them"}
}
