package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/blake3"

	"grange/internal/block"
	"grange/internal/id"
)

// ScrubCursor is where a scrub goes on. The zero cursor is the beginning.
type ScrubCursor struct {
	Disk    ID
	Segment uint64
	Offset  int64
}

// String is the form that ParseScrubCursor reads, for keeping it over a restart.
func (c ScrubCursor) String() string {
	if c == (ScrubCursor{}) {
		return ""
	}
	return fmt.Sprintf("%s/%d/%d", c.Disk, c.Segment, c.Offset)
}

// ParseScrubCursor reads the form that String writes.
func ParseScrubCursor(s string) (c ScrubCursor, err error) {
	if s == "" {
		return c, nil
	}
	fail := fmt.Errorf("block/disk: invalid scrub cursor %q", s)
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return c, fail
	}
	if c.Disk, err = ParseID(parts[0]); err != nil {
		return ScrubCursor{}, fail
	}
	if c.Segment, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return ScrubCursor{}, fail
	}
	if c.Offset, err = strconv.ParseInt(parts[2], 10, 64); err != nil || c.Offset < 0 {
		return ScrubCursor{}, fail
	}
	return c, nil
}

// ScrubReport is what a piece of a scrub found.
type ScrubReport struct {
	Next    ScrubCursor     // where to go on
	Done    bool            // the last segment was read: a new round begins at the zero cursor
	Corrupt []*CorruptError // copies that must be replaced; Put replaces them
	Blocks  int             // copies that were compared with their hash
	Read    int64           // bytes of segments that were passed in this piece

	BytesDone  int64 // bytes of segments before Next
	BytesTotal int64 // bytes of all segments
}

// Scrub reads the segments from a cursor on, in order, until it has passed at least limit bytes or ctx ends. Of every
// copy that is served it compares the checksum of each chunk, and the BLAKE3 hash of the whole content. It returns
// ctx's error with a report that is valid up to its Next.
func (s *Store) Scrub(ctx context.Context, from ScrubCursor, limit int64) (rep ScrubReport, err error) {
	rep.Next = from
	if err := s.enter(); err != nil {
		return rep, err
	}
	defer s.leave()
	dirs := s.dirs
	for i, d := range dirs {
		if d.disk.ID == from.Disk {
			dirs = dirs[i:]
			break
		}
	}
	rep.BytesTotal = sumUsed(s.dirs)
	done := rep.BytesTotal - sumUsed(dirs)
	for _, d := range dirs {
		rep.Done, err = d.scrub(ctx, &rep, limit)
		if err != nil || !rep.Done {
			rep.BytesDone = done + d.bytesBefore(rep.Next)
			return rep, err
		}
		done += d.used.Load()
	}
	rep.Next, rep.BytesDone = ScrubCursor{}, done
	return rep, nil
}

func sumUsed(dirs []*dir) (n int64) {
	for _, d := range dirs {
		n += d.used.Load()
	}
	return n
}

// bytesBefore counts the bytes of the directory's segments before a cursor.
func (d *dir) bytesBefore(c ScrubCursor) (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, seg := range d.mu.segs {
		if id < c.Segment {
			n += seg.state.end
		}
	}
	return n + c.Offset
}

// scrub goes on in one directory; done tells that it came to its end.
func (d *dir) scrub(ctx context.Context, rep *ScrubReport, limit int64) (done bool, err error) {
	at := ScrubCursor{Disk: d.disk.ID}
	if rep.Next.Disk == d.disk.ID {
		at = rep.Next
	}
	for {
		rep.Next = at
		seg, end, missing := d.nextSegmentFrom(at.Segment)
		if seg == 0 {
			return true, nil
		}
		if seg != at.Segment {
			at = ScrubCursor{Disk: d.disk.ID, Segment: seg}
			rep.Next = at
		}
		if missing {
			err = d.scrubGap(ctx, rep, seg, 0, end, fmt.Errorf("%w: the segment file is missing", errBadRecord))
			at.Offset = end
		} else {
			at.Offset, err = d.scrubSegment(ctx, rep, seg, at.Offset, end, limit)
		}
		rep.Next = at
		if err != nil {
			return false, err
		}
		if at.Offset >= end {
			at = ScrubCursor{Disk: d.disk.ID, Segment: seg + 1}
			rep.Next = at
		}
		if rep.Read >= limit {
			next, _, _ := d.nextSegmentFrom(at.Segment)
			return next == 0, nil
		}
	}
}

// nextSegmentFrom is the first segment with this number or a higher one; 0 after the last.
func (d *dir) nextSegmentFrom(from uint64) (id uint64, end int64, missing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, seg := range d.mu.segs {
		if seg.id >= from && (id == 0 || seg.id < id) {
			id, end, missing = seg.id, seg.state.end, seg.missing
		}
	}
	return id, end, missing
}

// scrubSegment reads records from an offset on and returns where it stopped.
func (d *dir) scrubSegment(ctx context.Context, rep *ScrubReport, id uint64, from, end, limit int64) (int64, error) {
	seg, f, err := d.acquire(id)
	if errors.Is(err, errSegmentGone) {
		return end, nil
	}
	if err != nil {
		return end, d.scrubGap(ctx, rep, id, from, end, err)
	}
	defer d.release(seg)
	var gaps []Gap
	s := newScanner(f, d.disk.ID, id, from, end)
	s.skip = func(from, to int64) { gaps = append(gaps, Gap{from, to}) }
	start := from
	for err == nil && rep.Read < limit {
		if err = ctx.Err(); err != nil {
			break
		}
		var h *header
		var off int64
		if h, off, err = s.next(); err == nil {
			err = d.scrubRecord(f, rep, h, pos{id, off})
		} else if !errors.Is(err, io.EOF) {
			// The disk cannot read here. The rest of the segment is for the next round.
			gaps, err = append(gaps, Gap{s.at.offset, end}), io.EOF
		}
		now := min(s.at.offset, end)
		if errors.Is(err, io.EOF) {
			now = end
		}
		rep.Read += now - start
		start = now
		for _, g := range gaps {
			if gerr := d.scrubGap(ctx, rep, id, g.From, g.To, fmt.Errorf("%w: damaged header", errBadRecord)); gerr != nil {
				return start, gerr
			}
		}
		gaps = nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return start, err
}

// scrubRecord checks the content of a record, if it is the one that reads are served from.
func (d *dir) scrubRecord(f vfs.File, rep *ScrubReport, h *header, at pos) error {
	if h.kind != KindBlock {
		return nil
	}
	e, live, err := d.lookup(h.addr)
	if err != nil {
		return err
	}
	if !live || e.at != at {
		return nil
	}
	rep.Blocks++
	hash := blake3.New()
	err = verifyChunks(f, h, at.off, func(plain []byte) { _, _ = hash.Write(plain) }) // Write never fails
	if err == nil && id.Hash(hash.Sum(nil)) != h.addr.Hash {
		err = fmt.Errorf("%w: the content has another hash", errBadRecord)
	}
	if err != nil {
		rep.Corrupt = append(rep.Corrupt, d.corrupt(h.addr, at, err))
	}
	return nil
}

// scrubGap finds the copies that should stand where no valid record is. That needs a walk over the index, which only
// damage makes necessary.
func (d *dir) scrubGap(ctx context.Context, rep *ScrubReport, seg uint64, from, to int64, cause error) error {
	for at, more := (block.Address{}), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := d.index.infos(at, infosPerRead)
		if err != nil {
			d.indexError(err)
			return err
		}
		for _, x := range found {
			if x.at.seg == seg && x.at.off >= from && x.at.off < to {
				rep.Corrupt = append(rep.Corrupt, d.corrupt(x.addr, x.at, cause))
			}
		}
		if len(found) < infosPerRead {
			return nil
		}
		at, more = next(found[len(found)-1].addr)
	}
	return nil
}
