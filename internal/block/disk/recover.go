package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
)

// recoverBatch is how many records are applied to the index in one batch while a disk is opened.
const recoverBatch = 1024

// recover brings the index up to what the segments say, and finds the segment to append to.
func (d *dir) recover(rebuild bool) error {
	rebuilt, err := d.openIndex(rebuild)
	if err != nil {
		return err
	}
	files, err := d.listSegments()
	if err != nil {
		return err
	}
	states, err := d.index.segments()
	if err != nil {
		return err
	}
	if !rebuilt {
		stray, err := d.stray(files, states)
		if err != nil {
			return err
		}
		if stray {
			err := d.index.close()
			d.index = nil
			return errors.Join(err, d.recover(true))
		}
	}
	rec := Recovery{Rebuilt: rebuilt && len(files) > 0}
	d.introduce(files, states)
	var last *tail
	for _, id := range files {
		t, err := d.recoverSegment(id, &rec)
		if err != nil {
			return err
		}
		last = t
	}
	if err := d.settleMissing(&rec); err != nil {
		return err
	}
	if err := d.resume(last); err != nil {
		return err
	}
	if rebuilt {
		if err := d.unmarkRebuild(); err != nil {
			return err
		}
	}
	d.indexBytes.Store(d.index.bytes())
	if (rec.Records > 0 || rec.Torn > 0 || rec.Missing > 0 || rec.Rebuilt) && d.events.Recovered != nil {
		d.events.Recovered(d.disk, rec)
	}
	return nil
}

func (d *dir) listSegments() ([]uint64, error) {
	names, err := d.fs.List(d.fs.PathJoin(d.Path, segmentsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DirError{
			Path: d.Path, Reason: "its directory of segments is missing",
			Remedy: "restore it, or empty the data directory and let the other nodes fill it again",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var ids []uint64
	for _, name := range names {
		if id, ok := parseSegmentName(name); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// stray finds a segment with content that the index does not know although it knows a later one: somebody put it there.
// Its records are older than what the index says, so reading them now would bring back old states; only reading all
// segments in their order makes sense of it.
func (d *dir) stray(files []uint64, states map[uint64]segmentState) (bool, error) {
	newest := uint64(0)
	for id := range states {
		newest = max(newest, id)
	}
	for _, id := range files {
		if _, known := states[id]; known || id > newest {
			continue
		}
		info, err := d.fs.Stat(d.segmentPath(id))
		if err != nil {
			return false, fmt.Errorf("stat segment %d: %w", id, err)
		}
		if info.Size() > segmentHeaderSize {
			return true, nil
		}
	}
	return false, nil
}

// introduce makes known all segments that there are, and those that the index believes in.
func (d *dir) introduce(files []uint64, states map[uint64]segmentState) {
	d.nextSegment = 1
	for _, id := range files {
		d.addSegment(id)
		d.nextSegment = max(d.nextSegment, id+1)
	}
	for id := range states {
		d.nextSegment = max(d.nextSegment, id+1)
		if !slices.Contains(files, id) {
			d.addSegment(id).missing = true
		}
	}
	d.publish(states)
}

// tail is the end of a segment as recovery found it.
type tail struct {
	id    uint64
	end   int64
	clean bool // every byte up to the end of the file belongs to a record: appending may go on here
}

// recoverSegment applies the records that the index does not cover. It is the only place where a torn record can be
// met: content is compared with its checksums before the index learns of it.
func (d *dir) recoverSegment(id uint64, rec *Recovery) (*tail, error) {
	d.mu.Lock()
	state := d.mu.segs[id].state
	d.mu.Unlock()
	seg, f, err := d.acquire(id)
	if err != nil {
		return nil, err
	}
	defer d.release(seg)
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat segment %d: %w", id, err)
	}
	size := info.Size()
	headOK, err := d.checkSegmentHeader(f, id)
	if err != nil {
		return nil, err
	}
	if alignUp(size) < state.end {
		d.mu.Lock()
		seg.lost = max(alignUp(size), 1)
		d.mu.Unlock()
	}
	t := &tail{id: id, end: max(state.end, segmentHeaderSize)}
	if state.sealed {
		return t, nil
	}
	if alignUp(size) > t.end {
		if err := d.replay(f, t, size, rec); err != nil {
			return nil, err
		}
	}
	t.clean = headOK && alignUp(size) == t.end
	return t, nil
}

// checkSegmentHeader refuses a segment of a newer program. A damaged header is no reason to refuse: the identity file
// and the name of the segment say the same.
func (d *dir) checkSegmentHeader(f vfs.File, id uint64) (ok bool, err error) {
	head := make([]byte, segmentHeaderSize)
	if err := readFull(f, head, 0); errors.Is(err, errBadRecord) {
		return false, nil // a segment whose creation was cut short
	} else if err != nil {
		return false, fmt.Errorf("header of segment %d: %w", id, err)
	}
	disk, got, err := decodeSegmentHeader(head)
	if errors.Is(err, ErrNewerFormat) {
		return false, &DirError{Path: d.Path, Reason: "segment " + segmentName(id) + " is newer than this program", Remedy: "start the newer version", Err: err}
	}
	return err == nil && disk == d.disk.ID && got == id, nil
}

// replay applies the records behind the end that the index knows. They are synced first: they may be in the page cache
// only, and the index must not know what a power cut could take back.
func (d *dir) replay(f vfs.File, t *tail, size int64, rec *Recovery) error {
	if err := d.syncSegment(t.id); err != nil {
		return err
	}
	rec.Segments++
	rec.Bytes += size - t.end
	s := newScanner(f, d.disk.ID, t.id, t.end, size)
	s.skip = func(from, to int64) { rec.Torn += to - from }
	b := d.replayBatch(t.id)
	for {
		h, off, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch err := verifyChunks(f, h, off, nil); {
		case errors.Is(err, errBadRecord):
			rec.Torn += h.length()
			continue
		case err != nil:
			return fmt.Errorf("segment %d: %w", t.id, err)
		}
		rec.Records++
		t.end = off + h.length()
		if err := b.replay(h, pos{t.id, off}, t.end); err != nil {
			return err
		}
		if len(b.seen) >= recoverBatch {
			if err := b.commit(); err != nil {
				return err
			}
			b = d.replayBatch(t.id)
		}
	}
	return b.commit()
}

// replayBatch is an empty batch; the segment is in it even if it turns out to hold nothing.
func (d *dir) replayBatch(id uint64) *batch {
	b := &batch{d: d, seen: map[block.Address]*entry{}, change: change{
		entries: map[block.Address]*entry{}, states: map[uint64]segmentState{},
	}}
	s := b.state(id)
	s.end = max(s.end, segmentHeaderSize)
	b.states[id] = s
	return b
}

// replay applies a record that is on disk already.
func (b *batch) replay(h *header, at pos, end int64) error {
	e, err := b.entry(h.addr)
	if err != nil {
		return err
	}
	after := e.clone()
	after.apply(h, at)
	after.keepDead(b.d.exists)
	b.set(h.addr, e, after)
	s := b.state(at.seg)
	s.end = end
	b.states[at.seg] = s
	return nil
}

func (d *dir) syncSegment(id uint64) error {
	f, err := d.fs.OpenReadWrite(d.segmentPath(id), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("open segment %d: %w", id, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync segment %d: %w", id, err)
	}
	return syncDir(d.fs, d.fs.PathJoin(d.Path, segmentsDir))
}

// settleMissing forgets segments that are gone and that nobody needs: compaction removed them before the index could
// note it. One that is needed stays, and its blocks are corrupt, which is what repair looks for.
func (d *dir) settleMissing(rec *Recovery) error {
	var dropped []uint64
	d.mu.Lock()
	for id, seg := range d.mu.segs {
		switch {
		case seg.missing && seg.state.live == 0:
			dropped = append(dropped, id)
			d.used.Add(-seg.state.end)
			delete(d.mu.segs, id)
		case seg.missing:
			rec.Missing++
		}
	}
	d.mu.Unlock()
	if len(dropped) == 0 {
		return nil
	}
	return d.index.commit(change{dropped: dropped})
}

// resume appends to the last segment if it ends cleanly, and seals all others. A torn end is never written over.
func (d *dir) resume(last *tail) error {
	sealed := map[uint64]segmentState{}
	d.mu.Lock()
	for id, seg := range d.mu.segs {
		if !seg.state.sealed {
			sealed[id] = seg.state
		}
	}
	d.mu.Unlock()
	if last != nil && last.clean && last.end < d.segmentBytes {
		f, err := d.fs.OpenReadWrite(d.segmentPath(last.id), vfs.WriteCategoryUnspecified)
		if err != nil {
			return fmt.Errorf("open segment %d: %w", last.id, err)
		}
		d.active = &active{id: last.id, file: f, end: last.end}
		if d.preallocate && f.Preallocate(last.end, d.segmentBytes-last.end) == nil {
			d.active.allocated = d.segmentBytes
		}
		delete(sealed, last.id)
	}
	for id, s := range maps.Clone(sealed) {
		s.sealed, s.end = true, max(s.end, segmentHeaderSize)
		sealed[id] = s
	}
	if len(sealed) > 0 {
		if err := d.index.commit(change{states: sealed}); err != nil {
			return err
		}
	}
	d.publish(sealed)
	return nil
}
