package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
)

const (
	segmentSuffix = ".seg"
	segmentDigits = 16
	// Read handles of segments that nobody reads are closed beyond this number per directory.
	openFilesMax = 512
)

// errSegmentGone reports that a segment was removed after the index was asked: ask again.
var errSegmentGone = errors.New("segment was removed")

// segment is one file of records. Its fields are guarded by the directory's mutex.
type segment struct {
	id      uint64
	path    string
	state   segmentState // what the index has; changed by the appender only
	missing bool         // the index knows it, and there is no such file
	lost    int64        // what should stand from this offset on was not there when the disk was opened; 0 for nothing

	refs    int      // users of the segment
	file    vfs.File // for reading; nil while closed
	removed bool     // the file is gone from its directory
	blocked bool     // holds a copy that is needed and cannot be read: compaction leaves it alone
}

func segmentName(id uint64) string { return fmt.Sprintf("%0*x%s", segmentDigits, id, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != segmentDigits {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 16, 64)
	return id, err == nil && id > 0 && segmentName(id) == name
}

func (d *dir) segmentPath(id uint64) string {
	return d.fs.PathJoin(d.Path, segmentsDir, segmentName(id))
}

// acquire opens a segment for reading and keeps it from being closed until release. A segment that compaction removed
// gives errSegmentGone; a file that is missing gives fs.ErrNotExist.
func (d *dir) acquire(id uint64) (*segment, vfs.File, error) {
	d.mu.Lock()
	seg := d.mu.segs[id]
	if seg == nil {
		d.mu.Unlock()
		return nil, nil, errSegmentGone
	}
	seg.refs++
	f := seg.file
	d.mu.Unlock()
	if f != nil {
		return seg, f, nil
	}
	opened, err := d.fs.Open(seg.path)
	if err != nil {
		d.release(seg)
		return nil, nil, fmt.Errorf("open segment %d: %w", id, err)
	}
	d.mu.Lock()
	if seg.file == nil {
		seg.file, opened = opened, nil
		d.mu.openFiles++
	}
	f = seg.file
	spare := d.spareFileLocked()
	d.mu.Unlock()
	closeQuietly(opened, spare)
	return seg, f, nil
}

// spareFileLocked takes the handle of an idle segment away when too many are open.
func (d *dir) spareFileLocked() vfs.File {
	if d.mu.openFiles <= openFilesMax {
		return nil
	}
	for _, seg := range d.mu.segs {
		if seg.refs == 0 && seg.file != nil {
			f := seg.file
			seg.file = nil
			d.mu.openFiles--
			return f
		}
	}
	return nil
}

func (d *dir) release(seg *segment) {
	var f vfs.File
	d.mu.Lock()
	seg.refs--
	if seg.refs == 0 && seg.removed && seg.file != nil {
		f, seg.file = seg.file, nil
		d.mu.openFiles--
	}
	d.mu.Unlock()
	closeQuietly(f)
}

// closeQuietly closes files that were only read: closing them cannot lose anything.
func closeQuietly(files ...vfs.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// active is the segment that records are appended to. It belongs to the appender.
type active struct {
	id        uint64
	file      vfs.File
	end       int64 // where the next record starts; bytes behind it do not count
	unsynced  bool
	allocated int64 // bytes that the file system promised to the file
}

// createSegment makes the next segment file. After it returns, the file survives a power cut.
func (d *dir) createSegment() (_ *active, err error) {
	id := d.nextSegment
	path := d.segmentPath(id)
	f, err := d.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create segment %d: %w", id, err)
	}
	d.nextSegment++
	a := &active{id: id, file: f, end: segmentHeaderSize}
	defer func() {
		if err != nil {
			_ = f.Close()
			if rerr := d.fs.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	// Preallocation keeps the file in one piece, and its room for deletes when the disk is full. Not all file systems
	// have it, and a disk that is nearly full refuses it: both are no reason to stop.
	if d.preallocate && f.Preallocate(0, d.segmentBytes) == nil {
		a.allocated = d.segmentBytes
	}
	if _, err = f.WriteAt(appendSegmentHeader(nil, d.disk.ID, id), 0); err != nil {
		return nil, fmt.Errorf("write header of segment %d: %w", id, err)
	}
	if err = f.Sync(); err != nil {
		return nil, syncError{fmt.Errorf("sync new segment %d: %w", id, err)}
	}
	if err = syncDir(d.fs, d.fs.PathJoin(d.Path, segmentsDir)); err != nil {
		return nil, syncError{err}
	}
	return a, nil
}

// syncError is a sync that failed: even when the disk was only full, nobody knows what is on it.
type syncError struct{ error }

// Unwrap is the cause.
func (e syncError) Unwrap() error { return e.error }

// isFull tells whether an error of writing means no more than that the disk is full.
func isFull(err error) bool {
	var s syncError
	return vfs.IsNoSpaceError(err) && !errors.As(err, &s)
}

// appendRecord writes a record behind the last one. When it fails, nothing has changed: the bytes that were written
// are overwritten by the next record, or cut off with the end of the segment.
func (a *active) appendRecord(d *dir, h *header, rec *encoded) (pos, error) {
	at := pos{a.id, a.end}
	buf := appendHeader(d.scratch[:0], h, place{d.disk.ID, a.id, a.end})
	off := a.end
	if rec != nil && int(rec.stored) <= cap(buf)-len(buf) {
		for _, x := range rec.extents {
			buf = append(buf, rec.bytes(x)...)
		}
		rec = nil
	}
	a.unsynced = true
	if _, err := a.file.WriteAt(buf, off); err != nil {
		return pos{}, fmt.Errorf("append to segment %d: %w", a.id, err)
	}
	off += int64(len(buf))
	if rec != nil {
		for _, x := range rec.extents {
			b := rec.bytes(x)
			if _, err := a.file.WriteAt(b, off); err != nil {
				return pos{}, fmt.Errorf("append to segment %d: %w", a.id, err)
			}
			off += int64(len(b))
		}
	}
	a.end += h.length()
	return at, nil
}

func (a *active) sync() error {
	if !a.unsynced {
		return nil
	}
	if err := a.file.SyncData(); err != nil {
		return syncError{fmt.Errorf("sync segment %d: %w", a.id, err)}
	}
	a.unsynced = false
	return nil
}

// seal ends the appending: all is synced, and room that was promised and not used is given back.
func (a *active) seal() error {
	err := a.sync()
	if err == nil {
		trim(a.file, a.end)
	}
	if cerr := a.file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close segment %d: %w", a.id, cerr)
	}
	return err
}

// noSpace is the error of a record that did not fit.
func noSpace(err error) error { return fmt.Errorf("%w: %w", block.ErrNoSpace, err) }
