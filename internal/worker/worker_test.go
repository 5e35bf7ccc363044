package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/worker"
)

// script is a worker that takes a while for each step and then does what the test says.
type script struct {
	mu    sync.Mutex
	begun []time.Duration // since the start, when each step began
	start time.Time
	takes time.Duration
	next  func(step int) (worker.Progress, error)
}

func (s *script) step(ctx context.Context) (worker.Progress, error) {
	s.mu.Lock()
	s.begun = append(s.begun, time.Since(s.start))
	step := len(s.begun)
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return worker.Progress{}, ctx.Err()
	case <-time.After(s.takes):
	}
	return s.next(step)
}

func (s *script) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.begun)
}

func (s *script) spec() worker.Spec {
	return worker.Spec{Name: "scrub", Description: "reads everything", Step: s.step, Interval: time.Hour}
}

func never(int) (worker.Progress, error) { return worker.Progress{}, nil }
func idle(int) (worker.Progress, error)  { return worker.Progress{Idle: true}, nil }

// start runs a manager with the workers until the test ends.
func start(t *testing.T, store kv.Store, events worker.Events, specs ...worker.Spec) *worker.Manager {
	t.Helper()
	m := worker.NewManager(store, events)
	for _, s := range specs {
		if err := m.Register(s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	synctest.Wait()
	return m
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, m *worker.Manager, want worker.State) worker.Status {
	t.Helper()
	s := m.List()[0]
	if s.State != want {
		t.Fatalf("state %s, want %s", s.State, want)
	}
	return s
}

func wantBegun(t *testing.T, s *script, want ...time.Duration) {
	t.Helper()
	if got := s.times(); !slices.Equal(got, want) {
		t.Fatalf("steps began at %v, want %v", got, want)
	}
}

func TestIdleWorkersRestForTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Second, next: idle}
		m := start(t, mem.New(), worker.Events{}, s.spec())
		wantState(t, m, worker.Busy)
		sleep(2 * time.Second)
		if got := wantState(t, m, worker.Idle); !got.NextStep.Equal(s.start.Add(time.Hour + time.Second)) {
			t.Errorf("next step at %v", got.NextStep)
		}
		sleep(2 * time.Hour)
		wantBegun(t, s, 0, time.Hour+time.Second, 2*time.Hour+2*time.Second)
	})
}

func TestAStepMayChooseItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Second, next: func(int) (worker.Progress, error) {
			return worker.Progress{Idle: true, Rest: 10 * time.Second}, nil
		}}
		start(t, mem.New(), worker.Events{}, s.spec())
		sleep(25 * time.Second)
		wantBegun(t, s, 0, 11*time.Second, 22*time.Second)
	})
}

func TestTranquilityIsSleepRelativeToWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Second, next: never}
		spec := s.spec()
		spec.Tranquility = 2
		m := start(t, mem.New(), worker.Events{}, spec)
		sleep(1500 * time.Millisecond)
		wantState(t, m, worker.Throttled)
		sleep(5 * time.Second)
		wantBegun(t, s, 0, 3*time.Second, 6*time.Second)

		// A change holds for the sleep that has begun.
		sleep(time.Second)
		wantState(t, m, worker.Throttled)
		must(t, m.SetTranquility("scrub", 0))
		sleep(time.Second)
		wantBegun(t, s, 0, 3*time.Second, 6*time.Second, 7500*time.Millisecond, 8500*time.Millisecond)
		wantState(t, m, worker.Busy)
	})
}

func TestFailedStepsAreRepeatedMoreAndMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(chan string, 100)
		events := worker.Events{
			Failed:    func(name string, err error, pause time.Duration) { log <- fmt.Sprintf("%s %v %v", name, err, pause) },
			Recovered: func(name string) { log <- name + " recovered" },
		}
		broken := errors.New("broke")
		s := &script{start: time.Now(), next: func(step int) (worker.Progress, error) {
			if step == 13 {
				return worker.Progress{Idle: true}, nil
			}
			return worker.Progress{}, broken
		}}
		m := start(t, mem.New(), events, s.spec())
		got := wantState(t, m, worker.Failed)
		if !errors.Is(got.LastError, broken) || got.Streak != 1 || got.NextStep.IsZero() {
			t.Errorf("status %+v", got)
		}
		sleep(20 * time.Second)
		wantBegun(t, s, 0, 1*time.Second, 3*time.Second, 7*time.Second, 15*time.Second)
		sleep(30 * time.Minute)
		got = wantState(t, m, worker.Idle)
		if got.Streak != 0 || got.Failures != 12 || got.Steps != 1 || !errors.Is(got.LastError, broken) {
			t.Errorf("status %+v", got)
		}
		begun := s.times()
		if rest := begun[12] - begun[11]; rest != 5*time.Minute {
			t.Errorf("last pause %v, want the longest", rest)
		}
		close(log)
		var told []string
		for event := range log {
			told = append(told, event)
		}
		if len(told) != 13 || told[0] != "scrub broke 1s" || told[12] != "scrub recovered" {
			t.Errorf("events %q", told)
		}
	})
}

func TestPauseWaitsForTheStepAndHoldsOverRestarts(t *testing.T) {
	store := mem.New()
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: 10 * time.Second, next: never}
		m := start(t, store, worker.Events{}, s.spec())
		sleep(time.Second)
		must(t, m.Pause("scrub"))
		if got := wantState(t, m, worker.Busy); !got.Pausing {
			t.Error("not pausing")
		}
		sleep(10 * time.Second)
		wantState(t, m, worker.Paused)
		must(t, m.SetTranquility("scrub", 0.5))
		if err := m.RunNow("scrub"); !errors.Is(err, worker.ErrPaused) {
			t.Errorf("run now: %v, want %v", err, worker.ErrPaused)
		}
		sleep(100 * time.Hour)
		wantBegun(t, s, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: 10 * time.Second, next: never}
		m := start(t, store, worker.Events{}, s.spec())
		sleep(time.Minute)
		if got := wantState(t, m, worker.Paused); got.Tranquility != 0.5 {
			t.Errorf("tranquility %v after a restart, want 0.5", got.Tranquility)
		}
		wantBegun(t, s)
		must(t, m.Resume("scrub"))
		sleep(16 * time.Second)
		wantBegun(t, s, 60*time.Second, 75*time.Second)
	})
}

func TestRunNowEndsAnyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Second, next: func(step int) (worker.Progress, error) {
			if step == 2 {
				return worker.Progress{}, errors.New("broke")
			}
			return worker.Progress{Idle: true}, nil
		}}
		m := start(t, mem.New(), worker.Events{}, s.spec())
		sleep(10 * time.Second)
		must(t, m.RunNow("scrub"))
		sleep(1500 * time.Millisecond)
		wantState(t, m, worker.Failed)
		must(t, m.RunNow("scrub"))
		sleep(500 * time.Millisecond)
		must(t, m.RunNow("scrub")) // while it is busy: once more
		must(t, m.RunNow("scrub"))
		sleep(10 * time.Second)
		wantBegun(t, s, 0, 10*time.Second, 11500*time.Millisecond, 12500*time.Millisecond)
	})
}

func TestTheEndOfARoundIsForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Second}
		s.next = func(step int) (worker.Progress, error) {
			return worker.Progress{Done: int64((step-1)%10+1) * 5, Total: 50, Idle: step%10 == 0}, nil
		}
		spec := s.spec()
		spec.Tranquility = 1
		m := start(t, mem.New(), worker.Events{}, spec)
		for round := range 2 {
			sleep(7500 * time.Millisecond) // four steps, of which the fourth just ended, took seven seconds
			got := m.List()[0]
			if want := 7 * time.Second * 30 / 20; got.Progress.Done != 20 || got.Remaining != want {
				t.Fatalf("round %d: done %d, remaining %v, want %v", round, got.Progress.Done, got.Remaining, want)
			}
			sleep(12 * time.Second)
			if got := wantState(t, m, worker.Idle); got.Remaining != 0 || got.Progress.Done != 50 {
				t.Fatalf("round %d: %+v", round, got)
			}
			sleep(time.Hour - 500*time.Millisecond)
		}
	})
}

func TestTheEndOfTheNodeIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), takes: time.Hour, next: never}
		m := worker.NewManager(mem.New(), worker.Events{Failed: func(string, error, time.Duration) { t.Error("told a failure") }})
		must(t, m.Register(s.spec()))
		paused := s.spec()
		paused.Name = "paused"
		must(t, m.Register(paused))
		must(t, m.Pause("paused"))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		must(t, m.Run(ctx)) // returns only when all goroutines are gone
		if took := time.Since(s.start); took != time.Minute {
			t.Errorf("stopped after %v", took)
		}
		if got := m.List(); got[1].Failures != 0 || got[1].State == worker.Busy {
			t.Errorf("status %+v", got)
		}
	})
}

func TestWorkersAreRegisteredWithCare(t *testing.T) {
	s := &script{next: never}
	good := s.spec()
	cases := map[string]func(*worker.Spec){
		"no name":              func(s *worker.Spec) { s.Name = "" },
		"no step":              func(s *worker.Spec) { s.Step = nil },
		"no interval":          func(s *worker.Spec) { s.Interval = 0 },
		"negative tranquility": func(s *worker.Spec) { s.Tranquility = -1 },
		"huge tranquility":     func(s *worker.Spec) { s.Tranquility = worker.TranquilityMax + 1 },
		"a name that is taken": func(s *worker.Spec) { s.Name = "taken" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			m := worker.NewManager(mem.New(), worker.Events{})
			taken, spec := good, good
			taken.Name = "taken"
			must(t, m.Register(taken))
			change(&spec)
			if err := m.Register(spec); !errors.Is(err, worker.ErrInvalid) {
				t.Errorf("register: %v, want %v", err, worker.ErrInvalid)
			}
		})
	}
}

func TestUnknownWorkersAndValuesAreRefused(t *testing.T) {
	m := worker.NewManager(mem.New(), worker.Events{})
	must(t, m.Register((&script{next: never}).spec()))
	for name, err := range map[string]error{
		"pause": m.Pause("x"), "resume": m.Resume("x"), "run now": m.RunNow("x"), "tranquility": m.SetTranquility("x", 1),
	} {
		if !errors.Is(err, worker.ErrUnknown) {
			t.Errorf("%s: %v, want %v", name, err, worker.ErrUnknown)
		}
	}
	if err := m.SetTranquility("scrub", -1); !errors.Is(err, worker.ErrInvalid) {
		t.Errorf("tranquility -1: %v, want %v", err, worker.ErrInvalid)
	}
}

// fullDisk is a store whose commits fail.
type fullDisk struct{ kv.Store }

type failingBatch struct{ kv.WriteBatch }

var errFull = errors.New("disk is full")

func (f fullDisk) NewWriteBatch() kv.WriteBatch { return failingBatch{f.Store.NewWriteBatch()} }
func (failingBatch) Commit(bool) error          { return errFull }

func TestSettingsThatCannotBeStoredDoNotHold(t *testing.T) {
	m := worker.NewManager(fullDisk{mem.New()}, worker.Events{})
	must(t, m.Register((&script{next: never}).spec()))
	if err := m.Pause("scrub"); !errors.Is(err, errFull) {
		t.Errorf("pause: %v, want %v", err, errFull)
	}
	if got := m.List()[0]; got.State == worker.Paused {
		t.Errorf("status %+v", got)
	}
}
