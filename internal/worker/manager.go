package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"grange/internal/kv"
)

// Manager runs the workers of a node.
type Manager struct {
	store   kv.Store
	events  Events
	workers []*runner // by name; not changed after Run began
	// changing is held while settings are changed and stored. No worker waits for it.
	changing sync.Mutex
}

// NewManager is a manager that keeps the settings of its workers in store.
func NewManager(store kv.Store, events Events) *Manager {
	return &Manager{store: store, events: events.withDefaults()}
}

// Register adds a worker, with the settings that were stored for its name. All workers are registered before Run.
func (m *Manager) Register(s Spec) error {
	i, known := slices.BinarySearchFunc(m.workers, s.Name, byName)
	switch {
	case s.Name == "" || s.Step == nil:
		return fmt.Errorf("%w: worker %q needs a name and a step", ErrInvalid, s.Name)
	case known:
		return fmt.Errorf("%w: worker %q is there already", ErrInvalid, s.Name)
	case s.Interval <= 0:
		return fmt.Errorf("%w: worker %q: interval %v", ErrInvalid, s.Name, s.Interval)
	case !validTranquility(s.Tranquility):
		return fmt.Errorf("%w: worker %q: tranquility %v: must be 0 to %d", ErrInvalid, s.Name, s.Tranquility, TranquilityMax)
	}
	stored, err := loadSettings(m.store, s.Name, settings{tranquility: s.Tranquility})
	if err != nil {
		return err
	}
	m.workers = slices.Insert(m.workers, i, newRunner(s, stored, m.events))
	return nil
}

func byName(r *runner, name string) int { return strings.Compare(r.spec.Name, name) }

// Run runs all workers until ctx ends, waits for their steps to return, and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, r := range m.workers {
		all.Go(func() { r.run(ctx) })
	}
	all.Wait()
	return nil
}

// List shows all workers, by name.
func (m *Manager) List() []Status {
	list := make([]Status, len(m.workers))
	for i, r := range m.workers {
		list[i] = r.status()
	}
	return list
}

func (m *Manager) worker(name string) (*runner, error) {
	i, known := slices.BinarySearchFunc(m.workers, name, byName)
	if !known {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return m.workers[i], nil
}

// Pause stops a worker after the step that it is in, until Resume, also over restarts of the node.
func (m *Manager) Pause(name string) error {
	return m.change(name, func(s *settings) { s.paused = true })
}

// Resume lets a paused worker go on at once.
func (m *Manager) Resume(name string) error {
	return m.change(name, func(s *settings) { s.paused = false })
}

// SetTranquility changes how long a worker sleeps after a step relative to how long the step took: 0 not at all, 1 as
// long, up to TranquilityMax.
func (m *Manager) SetTranquility(name string, t float64) error {
	if !validTranquility(t) {
		return fmt.Errorf("%w: tranquility %v: must be 0 to %d", ErrInvalid, t, TranquilityMax)
	}
	return m.change(name, func(s *settings) { s.tranquility = t })
}

// change stores new settings and then lets them hold. When they cannot be stored, nothing changes.
func (m *Manager) change(name string, edit func(*settings)) error {
	r, err := m.worker(name)
	if err != nil {
		return err
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	s := r.settings()
	edit(&s)
	if s == r.settings() {
		return nil
	}
	if err := saveSettings(m.store, name, s); err != nil {
		return err
	}
	r.adopt(s)
	return nil
}

// RunNow ends the wait of a worker that is idle, throttled or failed. A busy one does another step right after this
// one, should it find nothing to do. It is ErrPaused for a paused worker.
func (m *Manager) RunNow(name string) error {
	r, err := m.worker(name)
	if err != nil {
		return err
	}
	return r.runNow()
}
