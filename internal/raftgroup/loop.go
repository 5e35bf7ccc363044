package raftgroup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"grange/internal/id"
	"grange/internal/raftgroup/core"
	"grange/internal/transport"
)

const (
	diskStallAfter = 2 * time.Second
	handOverMax    = 2 * time.Second // how long a stop waits for others to take the leadership
	frameBytesSoft = 4 << 20         // a frame is closed when it is so large
)

// eventKind says what an event is about.
type eventKind int

const (
	groupAdded eventKind = iota
	propose
	changeMembers
	barrier
	cancel
	transfer
	status
	unreachable
	appended
	applied
	applyFailed
	snapshotSent
	storeFailed
)

// event is one input of the loop. Which fields are set depends on the kind.
type event struct {
	kind    eventKind
	replica *replica
	waiter  *waiter
	command []byte
	changes []core.Change
	to      id.Replica
	node    id.Node
	status  *core.Status
	append  *core.Append
	apply   *core.Apply
	result  *core.Applied
	err     error
}

// frame is what came from another node.
type frame struct {
	from    id.Node
	parcels []core.Parcel
}

// loop is the state of the loop goroutine.
type loop struct {
	h        *Host
	groups   map[id.Group]*replica
	order    []*replica // in the order in which they were added: no chance in the order of work
	waiters  map[core.Token]*waiter
	token    core.Token
	outgoing map[destination][]core.Parcel
	targets  []destination // the keys of outgoing, in order of first use
	failure  error
	transfers
}

// transfers are the snapshots that are being sent.
type transfers struct {
	wg  sync.WaitGroup
	ctx context.Context //nolint:containedctx // the lifetime of the loop, for the goroutines it starts
}

type destination struct {
	node  id.Node
	class transport.Class
}

func newLoop(h *Host) *loop {
	return &loop{
		h: h, groups: map[id.Group]*replica{}, waiters: map[core.Token]*waiter{},
		outgoing: map[destination][]core.Parcel{},
	}
}

// Run runs the groups until ctx ends, and then hands leadership to others where there are others. It returns nil after
// a clean stop, or the error with which the store failed. It may be called once.
func (h *Host) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	workers.Go(h.runAppends)
	for i := range h.applies {
		workers.Go(func() { h.runApplies(&h.applies[i]) })
	}
	l := h.loop
	lifetime, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.transfers = transfers{ctx: lifetime}
	l.run(ctx)
	cancel()
	h.appends.close()
	for i := range h.applies {
		h.applies[i].close()
	}
	workers.Wait()
	l.transfers.wg.Wait()
	l.finish()
	return l.failure
}

// finish fails everyone who still waits.
func (l *loop) finish() {
	l.h.inbox.close()
	close(l.h.stopped)
	rest, _ := l.h.inbox.take(nil)
	for _, ev := range rest {
		if ev.waiter != nil {
			ev.waiter.answer(core.Done{Err: ErrStopped})
		}
	}
	for _, w := range l.waiters {
		w.answer(core.Done{Err: ErrStopped})
	}
	for _, r := range l.order {
		r.soleReader.Store(false)
	}
}

func (l *loop) run(ctx context.Context) {
	ticker := time.NewTicker(l.h.opt.Tick)
	defer ticker.Stop()
	var events []event
	var deadline <-chan time.Time
	done := ctx.Done()
	for l.failure == nil {
		select {
		case <-l.h.inbox.wake:
		case f := <-l.h.frames:
			l.receive(f)
		case <-ticker.C:
			l.tick()
		case <-done:
			done, deadline = nil, time.After(handOverMax)
		case <-deadline:
			return
		}
		l.receiveWaiting()
		events, _ = l.h.inbox.take(events)
		for i := range events {
			l.handle(&events[i])
		}
		if done == nil && !l.handOver() {
			return
		}
		l.carryOut()
	}
}

// receiveWaiting takes the frames that wait, so that one round of work serves them all.
func (l *loop) receiveWaiting() {
	for range framesMax {
		select {
		case f := <-l.h.frames:
			l.receive(f)
		default:
			return
		}
	}
}

// tick moves the time of all groups. After a stall the ticker has dropped ticks: they are not made up for.
func (l *loop) tick() {
	if since := l.h.appendSince.Load(); since != 0 {
		if pending := time.Since(time.Unix(0, since)); pending > diskStallAfter {
			l.h.opt.Events.DiskStall(pending)
		}
	}
	for _, r := range l.order {
		l.guard(r, func() error {
			r.core.AppliedDurable(r.durable.Load())
			return r.core.Tick()
		})
	}
}

// guard runs one call of a group's core. A failure or a panic sets the group aside.
func (l *loop) guard(r *replica, call func() error) {
	if r.failed.Load() != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			l.quarantine(r, fmt.Errorf("panic: %v", p))
		}
	}()
	r.dirty = true
	if err := call(); err != nil {
		l.quarantine(r, err)
	}
}

func (l *loop) quarantine(r *replica, err error) {
	if !r.failed.CompareAndSwap(nil, &err) {
		return
	}
	r.soleReader.Store(false)
	l.h.opt.Logger.LogAttrs(context.Background(), slog.LevelError, "replica set aside",
		slog.Any("group", r.id), slog.Any("error", err))
	l.h.opt.Events.Quarantined(r.id, err)
	l.failWaiters(r, r.err())
}

func (l *loop) failWaiters(r *replica, err error) {
	for t, w := range l.waiters {
		if w.replica == r {
			delete(l.waiters, t)
			w.answer(core.Done{Err: err})
		}
	}
}

func (w *waiter) answer(d core.Done) { w.done <- d }

// register gives a waiting call its token.
func (l *loop) register(w *waiter) core.Token {
	l.token++
	w.token = l.token
	l.waiters[w.token] = w
	return w.token
}

// handle feeds one event to its group.
func (l *loop) handle(ev *event) {
	switch ev.kind {
	case groupAdded:
		l.groups[ev.replica.id] = ev.replica
		l.order = append(l.order, ev.replica)
	case unreachable:
		l.unreachable(ev.node)
	case storeFailed:
		l.failure = ev.err
	case applyFailed:
		l.quarantine(ev.replica, ev.err)
	case cancel:
		if l.waiters[ev.waiter.token] == ev.waiter {
			delete(l.waiters, ev.waiter.token)
			l.guard(ev.replica, func() error { ev.replica.core.Cancel(ev.waiter.token); return nil })
		}
	case propose, changeMembers, barrier, transfer, status:
		l.handleCall(ev)
	case appended, applied, snapshotSent:
		l.guard(ev.replica, func() error { return l.handleDone(ev) })
	}
}

// handleCall feeds a call that waits for an answer.
func (l *loop) handleCall(ev *event) {
	r := ev.replica
	if err := r.err(); err != nil {
		ev.waiter.answer(core.Done{Err: err})
		return
	}
	l.guard(r, func() error {
		switch ev.kind {
		case propose:
			r.core.Propose(l.register(ev.waiter), ev.command)
		case changeMembers:
			r.core.ChangeMembers(l.register(ev.waiter), ev.changes)
		case barrier:
			r.core.Barrier(l.register(ev.waiter))
		case transfer:
			ev.waiter.answer(core.Done{Err: r.core.Transfer(ev.to)})
		default:
			*ev.status = r.core.Status()
			ev.waiter.answer(core.Done{})
		}
		return nil
	})
}

// handleDone feeds the end of a write, an apply or a transfer.
func (l *loop) handleDone(ev *event) error {
	switch ev.kind {
	case appended:
		return ev.replica.core.Appended(ev.append)
	case applied:
		return ev.replica.core.Applied(ev.apply, ev.result)
	default:
		delete(ev.replica.sending, ev.to)
		ev.replica.core.SnapshotSent(ev.to, ev.err == nil)
		l.h.opt.Events.SnapshotSent(ev.replica.id, ev.to, ev.err)
		return nil
	}
}

func (l *loop) unreachable(n id.Node) {
	for _, r := range l.order {
		l.guard(r, func() error {
			for _, m := range r.core.Status().Members {
				if m.Node == n {
					r.core.Unreachable(m.Replica)
				}
			}
			return nil
		})
	}
}

// receive feeds what another node sent.
func (l *loop) receive(f frame) {
	for _, p := range f.parcels {
		r := l.groups[p.Group]
		if r == nil {
			continue // not here yet, or not any more
		}
		l.guard(r, func() error {
			err := l.step(r, f.from, p)
			if errors.Is(err, core.ErrBadMessage) || errors.Is(err, core.ErrBrokenStream) {
				l.h.opt.Events.BadMessage(f.from, err)
				return nil
			}
			return err
		})
	}
}

func (l *loop) step(r *replica, from id.Node, p core.Parcel) error {
	if p.Chunk == nil {
		return r.core.Step(from, p.Message)
	}
	image, err := r.assembler.Add(p.Chunk)
	if err != nil || image == nil {
		return err
	}
	l.h.opt.Events.SnapshotReceived(r.id, image.Index())
	return r.core.StepSnapshot(from, image)
}

// carryOut does what the groups want done.
func (l *loop) carryOut() {
	for _, r := range l.order {
		if !r.dirty {
			continue
		}
		r.dirty = false
		l.guard(r, func() error {
			out := r.core.Ready()
			r.dirty = false
			l.effects(r, out)
			return nil
		})
	}
	l.sendAll()
}

func (l *loop) effects(r *replica, out core.Effects) {
	r.soleReader.Store(r.core.SoleReader())
	for _, a := range out.Appends {
		l.h.appends.push(appendWork{r, a})
	}
	for _, a := range out.Applies {
		l.h.applies[uint32(r.id)%applyWorkers].push(applyWork{r, a})
	}
	for _, m := range out.Messages {
		p := core.Parcel{Group: r.id, Message: m}
		l.enqueue(destination{m.Node, p.Class()}, p)
	}
	for _, req := range out.Snapshots {
		l.startSnapshot(r, req)
	}
	for _, d := range out.Done {
		if w := l.waiters[d.Token]; w != nil {
			delete(l.waiters, d.Token)
			w.answer(d)
		}
	}
	if lead, term := r.core.Leader(); lead != r.leader || term != r.term {
		r.leader, r.term = lead, term
		l.h.opt.Events.LeaderChanged(r.id, lead, term)
	}
	if out.Removed {
		l.remove(r)
	}
}

// remove destroys the data of a replica that is no member any more. Its tombstone keeps the number from coming back.
func (l *loop) remove(r *replica) {
	h := l.h
	delete(l.groups, r.id)
	for i, other := range l.order {
		if other == r {
			l.order = append(l.order[:i:i], l.order[i+1:]...)
			break
		}
	}
	h.mu.Lock()
	delete(h.mu.groups, r.id)
	h.mu.Unlock()
	l.failWaiters(r, fmt.Errorf("%w: %s: the replica was removed", ErrUnknownGroup, r.id))
	h.appends.push(appendWork{replica: r})
}

func (l *loop) enqueue(to destination, p core.Parcel) {
	if _, known := l.outgoing[to]; !known {
		l.targets = append(l.targets, to)
	}
	l.outgoing[to] = append(l.outgoing[to], p)
}

// sendAll sends one frame, or a few if they are large, to each node and class.
func (l *loop) sendAll() {
	for _, to := range l.targets {
		parcels := l.outgoing[to]
		for len(parcels) > 0 {
			n, size := 0, 0
			for n < len(parcels) && size < frameBytesSoft {
				size += parcels[n].Size()
				n++
			}
			l.send(to, parcels[:n])
			parcels = parcels[n:]
		}
		delete(l.outgoing, to)
	}
	l.targets = l.targets[:0]
}

func (l *loop) send(to destination, parcels []core.Parcel) {
	err := transport.ErrUnreachable
	if l.h.opt.Transport != nil && to.node != (id.Node{}) {
		var raw []byte
		if raw, err = core.EncodeFrame(parcels); err == nil {
			err = l.h.opt.Transport.Send(to.node, to.class, raw)
		}
	}
	if err == nil {
		return
	}
	for _, p := range parcels {
		if r := l.groups[p.Group]; r != nil && to.class == transport.Log {
			l.guard(r, func() error { r.core.Unreachable(p.Message.To); return nil })
		}
	}
}

// handOver gives up the leadership of groups that others can lead. It returns false when there is none left.
func (l *loop) handOver() bool {
	leading := false
	for _, r := range l.order {
		l.guard(r, func() error {
			if to := successor(r.core.Status()); to != 0 {
				leading = true
				return r.core.Transfer(to)
			}
			return nil
		})
	}
	return leading
}

// successor is the voter that is nearest to the end of the log, 0 when this replica does not lead or nobody is there.
func successor(s core.Status) (best id.Replica) {
	if !s.Leading {
		return 0
	}
	match := uint64(0)
	for _, m := range s.Members {
		if m.Voter && m.Active && m.Replica != s.Replica && m.Match >= match {
			best, match = m.Replica, m.Match
		}
	}
	return best
}
