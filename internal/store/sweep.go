package store

import (
	"context"
	"fmt"
	"time"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index"
)

// sweepBatch is how many stored blocks one step of a sweep looks at.
const sweepBatch = 500

// Sweep finds blocks on this node's disks that no record names and that are on no garbage list: those of bodies that
// ended early, of crashes, and of buckets that are gone. It walks the disks in the order of the hashes.
//
// A round begins by advancing the epoch of every index group. Only copies from before that are looked at, and only after a
// grace, so that what is being written is left alone; should a writer be slower still, its record is refused, not its block lost.
type Sweep struct {
	store  *Store
	clock  func() time.Time
	epochs map[id.Group]block.Epoch // at the beginning of the round; nil between rounds
	begun  time.Time
	cursor id.Hash
	found  int64 // blocks that this round gave up for deletion
}

// SweepProgress tells how far a round is: Cursor is the place in the space of hashes, of 2^16.
type SweepProgress struct {
	Cursor uint16
	Found  int64
	Done   bool
}

// NewSweep is the sweeping worker of this node.
func (s *Store) NewSweep() *Sweep { return &Sweep{store: s, clock: time.Now} }

// Step does a bounded piece of a round. wait is how long there is nothing to do.
func (w *Sweep) Step(ctx context.Context) (p SweepProgress, wait time.Duration, err error) {
	if w.epochs == nil {
		if err := w.begin(ctx); err != nil {
			return p, 0, err
		}
	}
	if left := w.store.settings.GarbageGrace - w.clock().Sub(w.begun); left > 0 {
		return p, left, nil
	}
	blocks, done, err := w.nextBlocks(ctx)
	if err != nil {
		return p, 0, err
	}
	if err := w.judge(ctx, blocks); err != nil {
		return p, 0, err
	}
	p = SweepProgress{Cursor: uint16(w.cursor[0])<<8 | uint16(w.cursor[1]), Found: w.found, Done: done}
	if done {
		w.epochs, w.cursor, w.found = nil, id.Hash{}, 0
	}
	return p, 0, nil
}

// begin advances the epoch of every index group, so that blocks of later bodies can be told from those of earlier ones.
func (w *Sweep) begin(ctx context.Context) error {
	groups, err := w.store.indexGroups(ctx)
	if err != nil {
		return fmt.Errorf("sweep: list the index groups: %w", err)
	}
	epochs := make(map[id.Group]block.Epoch, len(groups))
	for _, g := range groups {
		r, err := w.store.propose(ctx, g, index.Doom{KeepEpochs: keepEpochs})
		if err != nil {
			return fmt.Errorf("sweep: advance the epoch of group %d: %w", g, err)
		}
		epochs[g] = r.Epoch
	}
	w.epochs, w.begun = epochs, w.clock()
	return nil
}

// nextBlocks reads the next batch from the disks and moves the cursor behind it.
func (w *Sweep) nextBlocks(ctx context.Context) (blocks []block.Info, done bool, err error) {
	more := false
	err = w.store.blocks.Each(ctx, w.cursor, func(i block.Info) bool {
		// All copies of one hash stay in one batch, so that the cursor can be a hash.
		if len(blocks) >= sweepBatch && i.Hash != blocks[len(blocks)-1].Hash {
			w.cursor, more = i.Hash, true
			return false
		}
		blocks = append(blocks, i)
		return true
	})
	if err != nil {
		return nil, false, fmt.Errorf("sweep: list the blocks: %w", err)
	}
	return blocks, !more, nil
}

// judge gives up the blocks that no record names.
func (w *Sweep) judge(ctx context.Context, blocks []block.Info) error {
	orphans := make(map[id.Group][]block.Address)
	groups := make(map[id.Bucket]id.Group)
	for _, b := range blocks {
		g, ok := groups[b.Bucket]
		if !ok {
			var err error
			if g, err = w.groupOf(ctx, b.Bucket); err != nil {
				return err
			}
			groups[b.Bucket] = g
		}
		if g == 0 {
			// The bucket's deletion was decided and is final: ids are never given again.
			if err := w.store.blocks.Delete(ctx, b.Address, ^block.Epoch(0)); err != nil {
				return fmt.Errorf("sweep: delete block %s of a deleted bucket: %w", b.Hash, err)
			}
			w.found++
			continue
		}
		if b.Epoch < w.epochs[g] {
			orphans[g] = append(orphans[g], b.Address)
		}
	}
	for g, candidates := range orphans {
		if err := w.doom(ctx, g, candidates); err != nil {
			return err
		}
	}
	return nil
}

// groupOf is the index group of the bucket; 0 if the bucket was deleted.
func (w *Sweep) groupOf(ctx context.Context, b id.Bucket) (id.Group, error) {
	bucket, deleted, err := w.store.bucketByID(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	if deleted {
		return 0, nil
	}
	return bucket.Ranges[0].Group, nil
}

// doom asks the group to give up those of the candidates that no record names. The question is only put for blocks that
// this node's state does not name; the group decides.
func (w *Sweep) doom(ctx context.Context, g id.Group, candidates []block.Address) error {
	v := w.store.local(g)
	unnamed := candidates[:0]
	for _, addr := range candidates {
		known, err := v.Known(addr)
		if err != nil {
			v.close()
			return fmt.Errorf("sweep: look up block %s: %w", addr.Hash, err)
		}
		if !known {
			unnamed = append(unnamed, addr)
		}
	}
	v.close()
	if len(unnamed) == 0 {
		return nil
	}
	r, err := w.store.propose(ctx, g, index.Doom{Blocks: unnamed, KeepEpochs: keepEpochs})
	if err != nil {
		return fmt.Errorf("sweep: give up %d blocks: %w", len(unnamed), err)
	}
	w.found += int64(len(r.Doomed))
	return refusal(r.Code)
}
