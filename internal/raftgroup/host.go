package raftgroup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/core"
	"grange/internal/transport"
)

const (
	applyWorkers = 2
	framesMax    = 256 // frames that wait for the loop; the transport waits when there are more
)

// Host runs the groups of one node.
type Host struct {
	opt    Options
	boot   uint64
	inbox  queue[event]
	frames chan frame

	appends queue[appendWork]
	applies [applyWorkers]queue[applyWork]
	// appendSince is when the present write began, in nanoseconds since start; 0 when none is under way.
	appendSince atomic.Int64

	stopped chan struct{} // closed when the loop has ended

	mu struct {
		sync.RWMutex
		groups map[id.Group]*replica
	}
	loop *loop
}

var (
	_ Proposer           = (*Host)(nil)
	_ transport.Receiver = (*Host)(nil)
)

// replica is one group on this node. The core belongs to the loop.
type replica struct {
	id      id.Group
	core    *core.Group
	applier *core.Applier
	slots   chan struct{} // one for each proposal under way

	soleReader atomic.Bool
	applied    atomic.Uint64 // committed to the store by the apply worker
	durable    atomic.Uint64 // on stable storage
	failed     atomic.Pointer[error]

	// Owned by the loop.
	dirty     bool
	leader    id.Replica
	term      uint64
	assembler core.Assembler
	sending   map[id.Replica]bool // snapshots under way
}

func (r *replica) err() error {
	if p := r.failed.Load(); p != nil {
		return fmt.Errorf("group %s: %w: %w", r.id, ErrQuarantined, *p)
	}
	return nil
}

// NewHost makes a host without groups. Nothing happens before Run.
func NewHost(o Options) *Host {
	var boot [8]byte
	_, _ = rand.Read(boot[:]) // never fails: crypto/rand.Read ends the program instead
	h := &Host{
		opt: o.withDefaults(), boot: binary.BigEndian.Uint64(boot[:]),
		frames: make(chan frame, framesMax), stopped: make(chan struct{}),
	}
	h.inbox.init()
	h.appends.init()
	for i := range h.applies {
		h.applies[i].init()
	}
	h.mu.groups = map[id.Group]*replica{}
	h.loop = newLoop(h)
	return h
}

// AddGroup opens a group from the store, or makes it there. It may be called before and during Run.
func (h *Host) AddGroup(c GroupConfig) error {
	if err := h.ensureStored(c); err != nil {
		return fmt.Errorf("add group %s: %w", c.ID, err)
	}
	cfg := h.opt.Core
	cfg.Group, cfg.Node, cfg.Boot, cfg.Reader = c.ID, h.opt.Node, h.boot, h.opt.Store
	cfg.Logger = raftLogger{h.opt.Logger.With(slog.Any("group", c.ID))}
	g, err := core.Load(cfg)
	if err != nil {
		return err
	}
	r := &replica{
		id: c.ID, core: g, applier: core.NewApplier(c.ID, c.StateMachine),
		slots: make(chan struct{}, core.WindowMax), dirty: true, sending: map[id.Replica]bool{},
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.groups[c.ID] != nil {
		return fmt.Errorf("add group %s: %w", c.ID, core.ErrExists)
	}
	h.mu.groups[c.ID] = r
	if !h.inbox.push(event{kind: groupAdded, replica: r}) {
		return ErrStopped
	}
	return nil
}

// ensureStored writes the first records of a group that the store does not hold.
func (h *Host) ensureStored(c GroupConfig) error {
	_, err := core.ReplicaOf(h.opt.Store, c.ID)
	if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	b := h.opt.Store.NewWriteBatch()
	if err := h.firstRecords(b, c); err != nil {
		return errors.Join(err, b.Close())
	}
	return errors.Join(b.Commit(true), b.Close())
}

func (h *Host) firstRecords(w kv.Writer, c GroupConfig) error {
	self := c.Replica
	var voters, learners []id.Replica
	members := core.Members{}
	for _, m := range c.Members {
		members[m.Replica] = m.Node
		if m.Learner {
			learners = append(learners, m.Replica)
		} else {
			voters = append(voters, m.Replica)
		}
		if m.Node == h.opt.Node {
			self = m.Replica
		}
	}
	if self == 0 {
		return errors.New("this node is no member, and no replica number was given to join with")
	}
	if members[self] != h.opt.Node {
		return core.Join(h.opt.Store, w, c.ID, self)
	}
	return core.Bootstrap(h.opt.Store, w, c.ID, self, voters, learners, members)
}

func (h *Host) group(g id.Group) (*replica, error) {
	h.mu.RLock()
	r := h.mu.groups[g]
	h.mu.RUnlock()
	if r == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownGroup, g)
	}
	return r, r.err()
}

// waiter is a call that waits for its answer.
type waiter struct {
	replica *replica
	done    chan core.Done
	token   core.Token // owned by the loop
}

// Propose replicates a command: see Proposer. Some 4000 commands of a group may be under way at a time; more wait.
func (h *Host) Propose(ctx context.Context, g id.Group, command []byte) ([]byte, error) {
	if len(command) > CommandBytesMax {
		return nil, fmt.Errorf("propose %d bytes in group %s: %w", len(command), g, ErrTooLarge)
	}
	d, err := h.slotted(ctx, g, event{kind: propose, command: command})
	if err != nil {
		return nil, fmt.Errorf("propose in group %s: %w", g, err)
	}
	return d.Result, nil
}

// ChangeMembers changes the membership of a group, through joint consensus when there is more than one part. It
// returns when this replica has applied the first step; a joint membership is then left by itself. It fails with
// ErrChangeRefused when the change does not fit the membership at its place in the log.
func (h *Host) ChangeMembers(ctx context.Context, g id.Group, changes []core.Change) error {
	if _, err := h.slotted(ctx, g, event{kind: changeMembers, changes: changes}); err != nil {
		return fmt.Errorf("change members of group %s: %w", g, err)
	}
	return nil
}

// slotted runs a call that goes through the log, within the bound of calls under way.
func (h *Host) slotted(ctx context.Context, g id.Group, ev event) (core.Done, error) {
	r, err := h.group(g)
	if err != nil {
		return core.Done{}, err
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return core.Done{}, ctx.Err()
	case <-h.stopped:
		return core.Done{}, ErrStopped
	}
	defer func() { <-r.slots }()
	return h.wait(ctx, r, ev)
}

// wait gives an event to the loop and waits for its answer.
func (h *Host) wait(ctx context.Context, r *replica, ev event) (core.Done, error) {
	w := &waiter{replica: r, done: make(chan core.Done, 1)}
	ev.replica, ev.waiter = r, w
	if !h.inbox.push(ev) {
		return core.Done{}, ErrStopped
	}
	select {
	case d := <-w.done:
		return d, d.Err
	case <-ctx.Done():
		h.inbox.push(event{kind: cancel, replica: r, waiter: w})
		return core.Done{}, ctx.Err()
	}
}

// Barrier makes local reads linearizable: see Proposer. For a group of one member it only looks at a flag.
func (h *Host) Barrier(ctx context.Context, g id.Group) error {
	r, err := h.group(g)
	if err != nil {
		return fmt.Errorf("barrier in group %s: %w", g, err)
	}
	if r.soleReader.Load() {
		return nil
	}
	if _, err := h.wait(ctx, r, event{kind: barrier}); err != nil {
		return fmt.Errorf("barrier in group %s: %w", g, err)
	}
	return nil
}

// Transfer asks the leader, which must be on this node, to hand its leadership to another voter. It returns when the
// request was made; whether it succeeded shows in Status.
func (h *Host) Transfer(ctx context.Context, g id.Group, to id.Replica) error {
	r, err := h.group(g)
	if err != nil {
		return fmt.Errorf("transfer group %s: %w", g, err)
	}
	_, err = h.wait(ctx, r, event{kind: transfer, to: to})
	return err
}

// Status reports how this node's replica of a group stands.
func (h *Host) Status(ctx context.Context, g id.Group) (core.Status, error) {
	r, err := h.group(g)
	if err != nil {
		return core.Status{}, err
	}
	s := new(core.Status)
	if _, err := h.wait(ctx, r, event{kind: status, status: s}); err != nil {
		return core.Status{}, err // s may still be written
	}
	return *s, nil
}

// Groups lists the groups of which this node has a replica.
func (h *Host) Groups() []id.Group {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Sorted(maps.Keys(h.mu.groups))
}

// Receive takes a frame of another node. It waits while the loop is behind.
func (h *Host) Receive(ctx context.Context, from id.Node, _ transport.Class, raw []byte) {
	parcels, err := core.DecodeFrame(raw)
	if err != nil {
		h.opt.Events.BadMessage(from, err)
		return
	}
	select {
	case h.frames <- frame{from, parcels}:
	case <-ctx.Done():
	case <-h.stopped:
	}
}

// Unreachable says that frames to a node may have been lost.
func (h *Host) Unreachable(to id.Node) { h.inbox.push(event{kind: unreachable, node: to}) }
