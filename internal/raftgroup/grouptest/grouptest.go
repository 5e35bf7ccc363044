// Package grouptest is the twin of a raftgroup.Host for tests of the layers above: groups of one replica in memory that
// apply each command at once. It is linearizable, and nothing in it is durable.
package grouptest

import (
	"context"
	"fmt"
	"sync"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// Groups implements raftgroup.Proposer.
type Groups struct {
	db kv.Store
	mu struct {
		sync.Mutex
		machines map[id.Group]raftgroup.StateMachine
		index    map[id.Group]uint64
		before   func(id.Group, []byte) error
	}
}

// New keeps the state of its groups in db.
func New(db kv.Store) *Groups {
	g := &Groups{db: db}
	g.mu.machines = make(map[id.Group]raftgroup.StateMachine)
	g.mu.index = make(map[id.Group]uint64)
	return g
}

// Add makes a group.
func (g *Groups) Add(group id.Group, m raftgroup.StateMachine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.machines[group] = m
}

// Before sets a function that sees each command before it is applied; its error is the answer to the proposal.
func (g *Groups) Before(f func(group id.Group, command []byte) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.before = f
}

// Propose implements raftgroup.Proposer.
func (g *Groups) Propose(ctx context.Context, group id.Group, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.mu.machines[group]
	if !ok {
		return nil, fmt.Errorf("propose to group %d: %w", group, raftgroup.ErrUnknownGroup)
	}
	if g.mu.before != nil {
		if err := g.mu.before(group, command); err != nil {
			return nil, err
		}
	}
	b := g.db.NewBatch()
	defer b.Close()
	g.mu.index[group]++
	result, err := m.Apply(b, raftgroup.Entry{Index: g.mu.index[group], Command: command})
	if err != nil {
		return nil, err
	}
	return result, b.Commit(false)
}

// Barrier implements raftgroup.Proposer: the state always includes what was acknowledged.
func (g *Groups) Barrier(ctx context.Context, group id.Group) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.mu.machines[group]; !ok {
		return fmt.Errorf("barrier of group %d: %w", group, raftgroup.ErrUnknownGroup)
	}
	return ctx.Err()
}
