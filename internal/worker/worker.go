package worker

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrUnknown reports that there is no worker of that name.
	ErrUnknown = errors.New("worker: unknown worker")
	// ErrPaused reports that a paused worker cannot be started: resume it.
	ErrPaused = errors.New("worker: paused")
	// ErrInvalid reports a value that is not allowed; the message says which.
	ErrInvalid = errors.New("worker: invalid")
	// ErrCorrupt reports stored settings that this program cannot read.
	ErrCorrupt = errors.New("worker: unreadable settings")
)

// Spec describes a worker.
type Spec struct {
	Name        string // unique on the node: "scrub"
	Description string // one sentence for people
	// Step does some of the work, at most a few seconds of it. It is never called twice at once. When ctx ends it
	// returns soon. After an error it is called again, after a pause.
	Step func(ctx context.Context) (Progress, error)
	// Interval is how long the worker rests after a step that found nothing to do.
	Interval time.Duration
	// Tranquility is how long to sleep after a step relative to how long it took, until an operator says otherwise.
	Tranquility float64
}

// Progress is where a worker stands after a step.
type Progress struct {
	Done  int64 // of the current round, in whatever the worker counts
	Total int64 // of the current round; 0: not known
	// Idle tells that there is nothing to do for now: the round is over.
	Idle bool
	// Rest, when it is not zero, replaces the worker's Interval after this idle step.
	Rest time.Duration
}

// State is what a worker is doing.
type State string

const (
	// Idle workers wait until there is something to do again.
	Idle State = "idle"
	// Busy workers are in a step.
	Busy State = "busy"
	// Throttled workers sleep between two steps, as their tranquility says.
	Throttled State = "throttled"
	// Paused workers wait for the operator.
	Paused State = "paused"
	// Failed workers wait before they repeat a step that failed.
	Failed State = "failed"
)

// Status is what can be seen of a worker.
type Status struct {
	Name        string
	Description string
	State       State
	// Pausing tells that the worker will be paused after the step that it is in.
	Pausing     bool
	Tranquility float64
	Progress    Progress
	// Remaining is how long the round will take at the pace that it has had; 0: not known.
	Remaining time.Duration
	Steps     uint64 // since the start, failed ones not counted
	Failures  uint64 // since the start
	// Streak is how many steps failed since the last that did not.
	Streak      int
	LastError   error // the newest, nil if there was none; it stays after the worker went on
	LastErrorAt time.Time
	LastStep    time.Time // when the newest step ended
	NextStep    time.Time // when the next begins; zero while busy or paused
}

// Events are called when something happens that an operator may want to know. Fields may be nil. They must not block.
type Events struct {
	// Failed is called after a failed step, which is repeated after pause.
	Failed func(name string, err error, pause time.Duration)
	// Recovered is called after the first step that did not fail any more.
	Recovered func(name string)
}

func (e Events) withDefaults() Events {
	if e.Failed == nil {
		e.Failed = func(string, error, time.Duration) {}
	}
	if e.Recovered == nil {
		e.Recovered = func(string) {}
	}
	return e
}
