package worker

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	pauseMin = time.Second
	pauseMax = 5 * time.Minute
)

// runner is one worker with its goroutine.
type runner struct {
	spec   Spec
	events Events
	wake   chan struct{} // holds at most one token: look again at what mu guards
	mu     struct {
		sync.Mutex
		settings
		hurry    bool // RunNow was called and no step began since
		stepping bool
		waiting  State // why the worker waits, when it does and is not paused
		due      time.Time
		progress Progress
		base     pace
		steps    uint64
		failures uint64
		streak   int
		err      error
		errAt    time.Time
		last     time.Time
		took     time.Duration // the newest step that did not fail
	}
}

// pace is where and when the time of a round began to be taken.
type pace struct {
	done int64
	at   time.Time
}

func newRunner(s Spec, stored settings, events Events) *runner {
	r := &runner{spec: s, events: events, wake: make(chan struct{}, 1)}
	r.mu.settings = stored
	r.mu.waiting = Idle
	return r
}

// run does steps until ctx ends.
func (r *runner) run(ctx context.Context) {
	r.mu.Lock()
	r.mu.due = time.Now()
	r.mu.Unlock()
	for r.wait(ctx) {
		r.step(ctx)
	}
}

// wait returns true when the next step is due, false when ctx ended.
func (r *runner) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		left, paused := r.beginIfDue()
		if left == 0 {
			return true
		}
		timer := time.NewTimer(left)
		if paused {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// beginIfDue marks the begin of a step and returns 0 when one is due, else how long it is until then.
func (r *runner) beginIfDue() (left time.Duration, paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.paused {
		r.mu.base = pace{} // the pause does not count
		return pauseMax, true
	}
	if left := time.Until(r.mu.due); left > 0 && !r.mu.hurry {
		return left, false
	}
	r.mu.hurry, r.mu.stepping = false, true
	if r.mu.base == (pace{}) {
		r.mu.base.at = time.Now()
		if !r.mu.progress.Idle { // else a new round begins
			r.mu.base.done = r.mu.progress.Done
		}
	}
	return 0, false
}

func (r *runner) step(ctx context.Context) {
	start := time.Now()
	p, err := r.spec.Step(ctx)
	if ctx.Err() != nil {
		r.stopped()
		return
	}
	if err != nil {
		r.events.Failed(r.spec.Name, err, r.failed(err))
		return
	}
	if r.succeeded(p, time.Since(start)) {
		r.events.Recovered(r.spec.Name)
	}
}

// stopped ends a step that the end of the node cut short: it is no failure.
func (r *runner) stopped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.stepping, r.mu.waiting = false, Idle
}

// failed ends a step with an error and returns how long to wait.
func (r *runner) failed(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	pause := pauseMax
	if r.mu.streak < 16 { // far beyond where pauseMax is reached, far below an overflow
		pause = min(pauseMin<<r.mu.streak, pauseMax)
	}
	r.mu.stepping, r.mu.waiting = false, Failed
	r.mu.failures++
	r.mu.streak++
	r.mu.err, r.mu.errAt, r.mu.last, r.mu.due = err, now, now, now.Add(pause)
	return pause
}

// succeeded ends a step that took a while and tells whether the one before had failed.
func (r *runner) succeeded(p Progress, took time.Duration) (recovered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	rest, state := calm(took, r.mu.tranquility), Throttled
	if p.Idle {
		state, rest = Idle, r.spec.Interval
		if p.Rest > 0 {
			rest = p.Rest
		}
	}
	if p.Idle || p.Done < r.mu.base.done {
		r.mu.base = pace{}
	}
	recovered = r.mu.streak > 0
	r.mu.stepping, r.mu.waiting, r.mu.progress = false, state, p
	r.mu.steps++
	r.mu.streak = 0
	r.mu.last, r.mu.took, r.mu.due = now, took, now.Add(rest)
	return recovered
}

// calm is how long to sleep after a step.
func calm(took time.Duration, tranquility float64) time.Duration {
	return time.Duration(float64(took) * tranquility)
}

func (r *runner) settings() settings {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.settings
}

// adopt lets new settings hold. A worker that was paused goes on at once; one that sleeps between steps sleeps as long
// as the new tranquility says.
func (r *runner) adopt(s settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.paused && !s.paused {
		r.mu.hurry = true
	}
	r.mu.settings = s
	if !r.mu.stepping && r.mu.waiting == Throttled {
		r.mu.due = r.mu.last.Add(calm(r.mu.took, s.tranquility))
	}
	r.wakeLocked()
}

func (r *runner) runNow() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.paused {
		return fmt.Errorf("%w: %q", ErrPaused, r.spec.Name)
	}
	r.mu.hurry = true
	r.wakeLocked()
	return nil
}

// wakeLocked leaves a token for wait; one that is there already says the same.
func (r *runner) wakeLocked() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *runner) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{
		Name: r.spec.Name, Description: r.spec.Description, State: r.mu.waiting, Tranquility: r.mu.tranquility,
		Progress: r.mu.progress, Remaining: r.remainingLocked(), Steps: r.mu.steps, Failures: r.mu.failures,
		Streak: r.mu.streak, LastError: r.mu.err, LastErrorAt: r.mu.errAt, LastStep: r.mu.last,
	}
	switch {
	case r.mu.stepping:
		s.State, s.Pausing = Busy, r.mu.paused
	case r.mu.paused:
		s.State = Paused
	default:
		s.NextStep = r.mu.due
	}
	return s
}

// remainingLocked expects the rest of the round to take as long, for each thing to do, as it took so far.
func (r *runner) remainingLocked() time.Duration {
	p, base := r.mu.progress, r.mu.base
	done, left := p.Done-base.done, p.Total-p.Done
	if p.Idle || base == (pace{}) || done <= 0 || left <= 0 {
		return 0
	}
	return time.Duration(float64(r.mu.last.Sub(base.at)) / float64(done) * float64(left))
}
