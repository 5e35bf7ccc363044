package store

import (
	"context"
	"fmt"
	"time"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index"
)

const (
	releaseBatch = 1000 // block references that one Release drops
	doomBatch    = 1000 // blocks that one Doom decides about
	// keepEpochs is how many epochs a doom is remembered after its blocks were deleted. With an epoch per garbage round,
	// and a round at most every quarter of the grace, only writers slower than many graces are refused.
	keepEpochs = 1024
)

// Garbage deletes the blocks of one index group that no record names any more. It works in rounds, driven by Step:
//
//  1. Payloads of deleted objects are released: the references to their blocks are dropped, a bounded number at a time.
//  2. Blocks whose last reference was dropped at least a grace ago are doomed: a replicated decision, which re-checks.
//  3. Doomed blocks are deleted from the disks once every read that began before has ended, and then buried.
//
// Time decides only when something is done, never whether it is allowed: see package block for the rule that makes it safe.
type Garbage struct {
	store *Store
	group id.Group
	clock func() time.Time // monotonic
	marks []epochMark      // oldest first; at most marksMax
	doom  *funeral
}

// epochMark says: at this time the group's epoch became this. What fell to garbage in an older epoch did so before.
type epochMark struct {
	at    time.Time
	epoch block.Epoch
}

// marksMax bounds the marks: one each quarter of a grace.
const marksMax = 8

// funeral is a set of doomed blocks that waits for the reads that began before it.
type funeral struct {
	blocks     []index.Doomed
	generation uint64
}

// NewGarbage is the garbage worker of one group.
func (s *Store) NewGarbage(g id.Group) *Garbage {
	return &Garbage{store: s, group: g, clock: time.Now}
}

// Step does a bounded piece of work. more tells whether there is more to do now; else the worker may rest for GarbageRest.
func (w *Garbage) Step(ctx context.Context) (more bool, err error) {
	for _, phase := range []func(context.Context) (bool, error){w.release, w.decide, w.bury} {
		busy, err := phase(ctx)
		if err != nil {
			return false, err
		}
		more = more || busy
	}
	return more, nil
}

// GarbageRest is how long a garbage worker may wait when there is nothing to do.
func (s *Store) GarbageRest() time.Duration {
	return min(max(s.settings.GarbageGrace/4, 100*time.Millisecond), 10*time.Second)
}

// graceShort is the grace when the disks are short of room: the reads that go on are waited for in any case.
const graceShort = time.Second

// grace is how long garbage is kept now.
func (s *Store) grace() time.Duration {
	if s.short() {
		return min(s.settings.GarbageGrace, graceShort)
	}
	return s.settings.GarbageGrace
}

// release drops references of deleted payloads.
func (w *Garbage) release(ctx context.Context) (more bool, err error) {
	v := w.store.local(w.group)
	n, err := v.ReleaseQueueLen()
	v.close()
	if err != nil || n == 0 {
		return false, err
	}
	r, err := w.store.propose(ctx, w.group, index.Release{Max: releaseBatch})
	if err != nil {
		return false, err
	}
	return true, refusal(r.Code)
}

// decide dooms what has been garbage for a grace.
func (w *Garbage) decide(ctx context.Context) (more bool, err error) {
	v := w.store.local(w.group)
	ripe, err := w.ripeBlocks(v)
	var unmarked bool
	if err == nil {
		unmarked, err = w.wantsMark(v)
	}
	v.close()
	if err != nil || len(ripe) == 0 && !unmarked {
		return false, err
	}
	r, err := w.store.propose(ctx, w.group, index.Doom{Blocks: ripe, KeepEpochs: keepEpochs})
	if err != nil {
		return false, err
	}
	w.mark(r.Epoch)
	return len(ripe) == doomBatch, refusal(r.Code)
}

// ripeBlocks are the blocks that fell to garbage before the youngest mark that is as old as the grace.
func (w *Garbage) ripeBlocks(v *view) ([]block.Address, error) {
	epoch := w.ripe()
	if epoch == 0 {
		return nil, nil
	}
	garbage, err := v.Garbage(index.Garbage{}, doomBatch)
	if err != nil {
		return nil, err
	}
	var ripe []block.Address
	for _, g := range garbage { // in the order in which they fell
		if g.Epoch >= epoch {
			break
		}
		ripe = append(ripe, g.Address)
	}
	return ripe, nil
}

// wantsMark tells whether the oldest garbage is younger than the last mark, and it is time for another one.
func (w *Garbage) wantsMark(v *view) (bool, error) {
	garbage, err := v.Garbage(index.Garbage{}, 1)
	if err != nil || len(garbage) == 0 {
		return false, err
	}
	if len(w.marks) == 0 {
		return true, nil
	}
	last := w.marks[len(w.marks)-1]
	return garbage[0].Epoch >= last.epoch && w.clock().Sub(last.at) >= w.store.grace()/4, nil
}

// ripe is the epoch before which garbage fell at least a grace ago; 0 if none is known.
func (w *Garbage) ripe() block.Epoch {
	var epoch block.Epoch
	for _, m := range w.marks {
		if w.clock().Sub(m.at) >= w.store.grace() {
			epoch = m.epoch
		}
	}
	return epoch
}

func (w *Garbage) mark(epoch block.Epoch) {
	if len(w.marks) == marksMax {
		w.marks = append(w.marks[:0], w.marks[1:]...)
	}
	w.marks = append(w.marks, epochMark{w.clock(), epoch})
}

// bury deletes doomed blocks from the disks.
func (w *Garbage) bury(ctx context.Context) (more bool, err error) {
	if w.doom == nil {
		if w.doom, err = w.nextFuneral(); err != nil || w.doom == nil {
			return false, err
		}
	}
	if !w.store.readers.ended(w.doom.generation) {
		return false, nil
	}
	buried := index.Buried{}
	for _, d := range w.doom.blocks {
		if err := w.store.blocks.Delete(ctx, d.Address, d.Epoch); err != nil {
			return false, fmt.Errorf("delete block %s of bucket %d: %w", d.Address.Hash, d.Address.Bucket, err)
		}
		buried.Blocks = append(buried.Blocks, d.Address)
		buried.Epoch = max(buried.Epoch, d.Epoch) // one that is doomed again meanwhile has a higher epoch than any of these
	}
	r, err := w.store.propose(ctx, w.group, buried)
	if err != nil {
		return false, err
	}
	w.doom = nil
	return true, refusal(r.Code)
}

// nextFuneral reads which blocks are doomed and then ends a generation: reads of later ones see none of the blocks named.
func (w *Garbage) nextFuneral() (*funeral, error) {
	v := w.store.local(w.group)
	defer v.close()
	doomed, err := v.Doomed(index.Doomed{}, doomBatch)
	if err != nil || len(doomed) == 0 {
		return nil, err
	}
	return &funeral{blocks: doomed, generation: w.store.readers.advance()}, nil
}
