package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
)

const (
	compactStepBytes   = 8 << 20 // of records that one step copies, and keeps in memory, before the last record
	compactStepRecords = 256
	forgetBatch        = 512
)

// compaction is a segment on its way out. Until its file is removed, nothing that it holds is needed only by it.
type compaction struct {
	seg   *segment // acquired
	file  vfs.File
	next  int64 // offset up to which all needed records were copied
	end   int64
	moved int64
	state compactionState
}

type compactionState int

const (
	copying    compactionState = iota // phase one: copy, sync, switch the index, verify
	forgetting                        // phase two: the file is gone, the index forgets it
)

// CompactProgress says what one step did.
type CompactProgress struct {
	Disk    Disk
	Segment uint64
	Done    int64 // bytes of the segment that were looked at
	Total   int64
	Removed bool // the segment is gone
}

// CompactStep rewrites a piece of the segment with the most garbage: it copies what is needed to the active segment,
// and after the last piece removes the file. It does at most some MB of work, so that a worker can pause between steps;
// more is false when no segment has enough garbage. An error is about one segment, which is left as it was; the next
// step goes on with another. Steps exclude each other, and nothing else.
func (s *Store) CompactStep(ctx context.Context) (p CompactProgress, more bool, err error) {
	if err := s.enter(); err != nil {
		return p, false, err
	}
	defer s.leave()
	s.compactMu.Lock()
	defer s.compactMu.Unlock()
	for _, d := range s.dirs {
		if d.failure() != nil {
			d.endCompaction()
			continue
		}
		if d.compaction == nil && !d.beginCompaction() {
			continue
		}
		p, err := d.compactStep(ctx)
		if err == nil || ctx.Err() != nil {
			return p, true, err
		}
		full := errors.Is(err, block.ErrNoSpace)
		if !full {
			d.block(d.compaction.seg)
		}
		d.endCompaction()
		return p, !full, err
	}
	return p, false, nil
}

// beginCompaction picks the segment with the most garbage, if its copies have room. When the disk is short of room, a
// little garbage is enough.
func (d *dir) beginCompaction() bool {
	sp := d.space()
	share := d.garbageMin
	if sp.Free < 2*d.reserve {
		share /= 8
	}
	id, need := d.mostGarbage(share)
	if id == 0 {
		return false
	}
	// The index and the next segment's first bytes need some room as well.
	if need > 0 && sp.Free-need < d.segmentBytes/16 {
		return false
	}
	seg, f, err := d.acquire(id)
	if err != nil {
		return false // removed by hand; reading its blocks tells
	}
	d.mu.Lock()
	d.compaction = &compaction{seg: seg, file: f, next: segmentHeaderSize, end: seg.state.end}
	d.mu.Unlock()
	d.compactionNeed.Store(need)
	return true
}

// mostGarbage is the sealed segment with the most garbage among those that have at least this share of it.
func (d *dir) mostGarbage(share float64) (id uint64, live int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	best := int64(-1)
	for _, seg := range d.mu.segs {
		garbage := seg.garbage()
		enough := garbage > 0 && float64(garbage) >= share*float64(seg.state.end) || seg.state.live == 0
		allowed := seg.state.sealed && !seg.missing && (!seg.blocked || seg.state.live == 0)
		if allowed && enough && garbage > best {
			id, live, best = seg.id, seg.state.live, garbage
		}
	}
	return id, live
}

// garbage is what a rewrite of the segment would free, in bytes.
func (s *segment) garbage() int64 { return max(0, s.state.end-segmentHeaderSize-s.state.live) }

func (d *dir) endCompaction() {
	if c := d.compaction; c != nil {
		d.compaction = nil
		d.compactionNeed.Store(0)
		d.release(c.seg)
	}
}

func (d *dir) compactStep(ctx context.Context) (CompactProgress, error) {
	c := d.compaction
	p := CompactProgress{Disk: d.disk, Segment: c.seg.id, Total: c.end}
	if c.state == copying {
		if err := d.copyPiece(ctx, c); err != nil {
			return p, err
		}
		if p.Done = c.next; c.next < c.end {
			return p, nil
		}
		if err := d.removeSegment(ctx, c); err != nil {
			return p, err
		}
		c.state = forgetting
	}
	if err := d.forgetSegment(ctx, c); err != nil {
		return p, err
	}
	p.Removed = true
	if d.events.Compacted != nil {
		d.events.Compacted(d.disk, Compacted{Segment: c.seg.id, FreedSize: c.end, Moved: c.moved})
	}
	d.endCompaction()
	return p, nil
}

// copyPiece copies the next needed records to the active segment, and reads the copies back.
func (d *dir) copyPiece(ctx context.Context, c *compaction) error {
	s := newScanner(c.file, d.disk.ID, c.seg.id, c.next, c.end)
	var reqs []*request
	var n int64
	for n < compactStepBytes && len(reqs) < compactStepRecords {
		h, off, err := s.next()
		if errors.Is(err, io.EOF) {
			s.at.offset = c.end
			break
		}
		if err != nil {
			return err
		}
		r, err := d.copyRequest(c, h, off)
		if err != nil {
			return err
		}
		if r != nil {
			reqs = append(reqs, r)
			n += r.bytes()
		}
	}
	if err := d.doAll(ctx, reqs); err != nil {
		return err
	}
	for _, r := range reqs {
		if r.op == opMove && r.moved != (pos{}) {
			if err := d.verifyMoved(r); err != nil {
				return err
			}
			c.moved += r.bytes()
		}
	}
	c.next = min(s.at.offset, c.end)
	d.compactionNeed.Store(max(0, d.compactionNeed.Load()-n))
	return nil
}

// doAll submits requests together, so that they share a sync, and waits for all of them: also for those that were
// submitted before one failed, since their memory is in use.
func (d *dir) doAll(ctx context.Context, reqs []*request) error {
	var failure error
	for i, r := range reqs {
		if failure = d.submit(ctx, r); failure != nil {
			reqs = reqs[:i]
			break
		}
	}
	for _, r := range reqs {
		failure = errors.Join(failure, d.wait(ctx, r))
	}
	return failure
}

// copyRequest asks for a copy of a record if something needs it; nil when nothing does.
func (d *dir) copyRequest(c *compaction, h *header, off int64) (*request, error) {
	at := pos{c.seg.id, off}
	e, err := d.index.get(h.addr)
	if err != nil {
		d.indexError(err)
		return nil, err
	}
	switch {
	case h.kind == KindTouch && e.touch == at:
		return &request{op: opCopyTouch, addr: h.addr, old: at}, nil
	case h.kind == KindDelete && e.tomb == at:
		return &request{op: opCopyTomb, addr: h.addr, old: at}, nil
	case h.kind != KindBlock || !e.live || e.at != at:
		return nil, nil
	}
	stored := make([]byte, h.stored)
	err = readFull(c.file, stored, off+headerSize(h.size))
	if err == nil {
		err = verifyChunks(sliceAt{stored, off + headerSize(h.size)}, h, off, nil)
	}
	if err != nil {
		// The copy stays where it is, and so does the segment, until a Put replaces the block or it is deleted.
		d.block(c.seg)
		return nil, d.corrupt(h.addr, at, err)
	}
	rec := &encoded{header: *h, data: stored, extents: []extent{{end: len(stored)}}}
	return &request{op: opMove, addr: h.addr, old: at, rec: rec}, nil
}

// sliceAt reads b as if it stood at off in a file.
type sliceAt struct {
	b   []byte
	off int64
}

// ReadAt implements io.ReaderAt.
func (s sliceAt) ReadAt(p []byte, off int64) (int, error) {
	if off < s.off || off-s.off > int64(len(s.b)) {
		return 0, io.EOF
	}
	n := copy(p, s.b[off-s.off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// block keeps a segment out of compaction as long as it is needed.
func (d *dir) block(seg *segment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seg.blocked = true
}

// verifyMoved reads a copy back from the file that it is in now.
func (d *dir) verifyMoved(r *request) error {
	seg, f, err := d.acquire(r.moved.seg)
	if err != nil {
		return err
	}
	defer d.release(seg)
	head := make([]byte, headerSize(r.rec.size))
	if err = readFull(f, head, r.moved.off); err != nil {
		return fmt.Errorf("verify copy: %w", err)
	}
	h, err := decodeHeader(head, place{d.disk.ID, r.moved.seg, r.moved.off})
	if err == nil {
		err = verifyChunks(f, h, r.moved.off, nil)
	}
	if err != nil {
		return fmt.Errorf("verify copy: %w", err)
	}
	return nil
}

// removeSegment is the step that cannot be taken back. It happens only when the count of needed bytes, which every
// change of the index kept, agrees with the walk over the records that nothing here is needed. The index is durable
// before: an older state of it, found after a crash, could still need a record that stood here, if only the one that
// says that a block was deleted.
func (d *dir) removeSegment(ctx context.Context, c *compaction) error {
	d.mu.Lock()
	live := c.seg.state.live
	d.mu.Unlock()
	if live != 0 {
		d.block(c.seg)
		return fmt.Errorf("segment %d is kept: %d bytes of it are needed and were not found: %w", c.seg.id, live, errBadRecord)
	}
	if err := d.do(ctx, &request{op: opSync}); err != nil {
		return err
	}
	if err := d.index.flush(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	c.seg.removed = true
	delete(d.mu.segs, c.seg.id)
	d.used.Add(-c.seg.state.end)
	d.mu.Unlock()
	err := d.fs.Remove(c.seg.path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = syncDir(d.fs, d.fs.PathJoin(d.Path, segmentsDir))
	}
	if err != nil {
		d.fail(fmt.Errorf("remove segment %d: %w", c.seg.id, err))
		return d.failure()
	}
	return nil
}

// forgetSegment takes the removed segment out of the index. What a crash leaves of it there is ignored: numbers of
// segments are not given twice.
func (d *dir) forgetSegment(ctx context.Context, c *compaction) error {
	s := newScanner(c.file, d.disk.ID, c.seg.id, 0, c.end)
	at := pos{seg: c.seg.id}
	var addrs []block.Address
	for {
		h, _, err := s.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err == nil && h.kind == KindBlock {
			addrs = append(addrs, h.addr)
		}
		if len(addrs) > 0 && (err != nil || len(addrs) >= forgetBatch) {
			if ferr := d.do(ctx, &request{op: opForget, old: at, addrs: addrs}); ferr != nil {
				return ferr
			}
			addrs = nil
		}
		if err != nil {
			return d.do(ctx, &request{op: opDrop, old: at})
		}
	}
}
