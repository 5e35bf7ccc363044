package raftgroup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"grange/internal/kv"
	"grange/internal/raftgroup/core"
	"grange/internal/raftgroup/grouppb"
	"grange/internal/transport"
)

const (
	appendBytesSoft = 8 << 20 // a round of writes is closed when it is so large
	chunkBytes      = 256 << 10
	chunkRetryAfter = 20 * time.Millisecond
)

// appendWork is one write of one group. Without a write, the replica is to be destroyed.
type appendWork struct {
	replica *replica
	append  *core.Append
}

// runAppends commits what all groups want to write, each round in one batch.
func (h *Host) runAppends() {
	var works []appendWork
	var scratch []byte
	open := true
	for open {
		<-h.appends.wake
		works, open = h.appends.take(works)
		for rest := works; len(rest) > 0; {
			n, size := 0, 0
			for n < len(rest) && size < appendBytesSoft {
				if rest[n].append != nil {
					size += rest[n].append.Size()
				}
				n++
			}
			var err error
			if scratch, err = h.commitRound(rest[:n], scratch); err != nil {
				h.inbox.push(event{kind: storeFailed, err: fmt.Errorf("write the logs: %w", err)})
				h.appends.close()
				return
			}
			rest = rest[n:]
		}
	}
}

// commitRound writes one batch for all groups, and tells them when it is where it must be.
func (h *Host) commitRound(works []appendWork, scratch []byte) (_ []byte, err error) {
	began := time.Now()
	h.appendSince.Store(began.UnixNano())
	defer h.appendSince.Store(0)
	b := h.opt.Store.NewWriteBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	sync := false
	for _, w := range works {
		if w.append == nil {
			sync = true
			err = core.Destroy(b, w.replica.id, w.replica.core.Replica()+1)
		} else {
			sync = sync || w.append.Sync
			scratch, err = w.append.Write(b, scratch)
		}
		if err != nil {
			return scratch, err
		}
	}
	marks := h.appliedMarks(sync)
	size := b.Len()
	if err := b.Commit(sync); err != nil {
		return scratch, err
	}
	for _, m := range marks {
		m.replica.durable.Store(m.index)
	}
	h.opt.Events.Committed(size, sync, time.Since(began))
	done := make([]event, 0, len(works))
	for _, w := range works {
		if w.append == nil {
			h.opt.Events.Removed(w.replica.id)
			continue
		}
		done = append(done, event{kind: appended, replica: w.replica, append: w.append})
	}
	h.inbox.push(done...)
	return scratch, nil
}

// appliedMark says that a state machine's batch was committed before a synced one, and is durable with it.
type appliedMark struct {
	replica *replica
	index   uint64
}

func (h *Host) appliedMarks(sync bool) []appliedMark {
	if !sync {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	marks := make([]appliedMark, 0, len(h.mu.groups))
	for _, r := range h.mu.groups {
		marks = append(marks, appliedMark{r, r.applied.Load()})
	}
	return marks
}

// applyWork is a run of committed entries of one group.
type applyWork struct {
	replica *replica
	apply   *core.Apply
}

// runApplies runs the state machines of some of the groups.
func (h *Host) runApplies(q *queue[applyWork]) {
	var works []applyWork
	open := true
	for open {
		<-q.wake
		works, open = q.take(works)
		for _, w := range works {
			h.applyOne(w)
		}
	}
}

func (h *Host) applyOne(w applyWork) {
	if w.replica.failed.Load() != nil {
		return
	}
	res, err := h.apply(w)
	switch {
	case errors.Is(err, kv.ErrFailed):
		h.inbox.push(event{kind: storeFailed, err: fmt.Errorf("apply in group %s: %w", w.replica.id, err)})
	case err != nil:
		h.inbox.push(event{kind: applyFailed, replica: w.replica, err: err})
	default:
		w.replica.applied.Store(res.Index())
		h.inbox.push(event{kind: applied, replica: w.replica, apply: w.apply, result: res})
	}
}

// apply runs the state machine on one batch. A panic of the state machine becomes an error.
func (h *Host) apply(w applyWork) (res *core.Applied, err error) {
	b := h.opt.Store.NewBatch()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		err = errors.Join(err, b.Close())
	}()
	if res, err = w.replica.applier.Apply(b, w.apply); err != nil {
		return nil, err
	}
	return res, b.Commit(false)
}

// startSnapshot sends a group's state to a replica that the log does not reach any more. At most one transfer to a
// replica is under way.
func (l *loop) startSnapshot(r *replica, req core.SnapshotRequest) {
	if r.sending[req.To] {
		r.core.SnapshotSent(req.To, false)
		return
	}
	r.sending[req.To] = true
	snap := l.h.opt.Store.Snapshot()
	l.transfers.wg.Go(func() {
		err := l.h.sendSnapshot(l.transfers.ctx, r, req, snap)
		l.h.inbox.push(event{kind: snapshotSent, replica: r, to: req.To, err: errors.Join(err, snap.Close())})
	})
}

func (h *Host) sendSnapshot(ctx context.Context, r *replica, req core.SnapshotRequest, snap kv.Snapshot) error {
	if h.opt.Transport == nil {
		return transport.ErrUnreachable
	}
	var stream [8]byte
	_, _ = rand.Read(stream[:]) // never fails: crypto/rand.Read ends the program instead
	return core.BuildSnapshot(snap, r.id, req, binary.BigEndian.Uint64(stream[:]), chunkBytes,
		func(c *grouppb.Chunk) error {
			p := core.Parcel{Group: r.id, Chunk: c, Message: core.Message{From: r.core.Replica(), To: req.To}}
			raw, err := core.EncodeFrame([]core.Parcel{p})
			if err != nil {
				return err
			}
			return h.sendPatiently(ctx, req, raw)
		})
}

// sendPatiently waits while the receiver's queue is full.
func (h *Host) sendPatiently(ctx context.Context, req core.SnapshotRequest, raw []byte) error {
	for {
		err := h.opt.Transport.Send(req.Node, transport.Bulk, raw)
		if !errors.Is(err, transport.ErrQueueFull) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(chunkRetryAfter):
		}
	}
}
