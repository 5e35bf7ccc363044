package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/semaphore"

	"grange/internal/block"
)

// badMax bounds how many corrupt copies a directory remembers. One that is forgotten is found again.
const badMax = 1 << 16

// dir is one data directory.
type dir struct {
	DirOptions
	disk         Disk
	fs           vfs.FS
	logger       *slog.Logger
	events       Events
	segmentBytes int64
	reserve      int64
	preallocate  bool
	garbageMin   float64

	lock    io.Closer
	index   *index
	headers headerCache
	room    *semaphore.Weighted // bytes of the Puts that wait
	roomMax int64
	queue   chan *request
	stop    chan struct{}
	stopped chan struct{}

	// The appender's.
	active      *active
	nextSegment uint64
	batch       []*request
	scratch     []byte

	mu struct {
		sync.Mutex
		segs      map[uint64]*segment
		openFiles int
		bad       map[pos]struct{} // records that did not match their checksum
	}
	failed         atomic.Pointer[dirFailure]
	unsynced       atomic.Bool  // deletes wait for a sync
	indexDirty     atomic.Bool  // the index changed since its last flush
	used           atomic.Int64 // bytes of all segments
	indexBytes     atomic.Int64 // bytes of the index when it was last asked
	slack          atomic.Int64 // bytes that the file system promised to the active segment
	compactionNeed atomic.Int64 // bytes that the compaction that is going on still needs

	compaction *compaction // guarded by the store's compaction mutex
}

type dirFailure struct{ err error }

// fail stops the directory's writes. The first reason counts.
func (d *dir) fail(err error) {
	if !d.failed.CompareAndSwap(nil, &dirFailure{err}) {
		return
	}
	if d.events.ReadOnly != nil {
		d.events.ReadOnly(d.disk, err)
	}
}

func (d *dir) failure() error {
	if f := d.failed.Load(); f != nil {
		return fmt.Errorf("%w: %s: %w", block.ErrReadOnly, d.Path, f.err)
	}
	return nil
}

// markRebuild asks the next Open to make the index again, as far as the disk still takes notes.
func (d *dir) markRebuild() {
	path := d.fs.PathJoin(d.Path, rebuildFile)
	if err := errors.Join(writeFileSynced(d.fs, path, nil), syncDir(d.fs, d.Path)); err != nil {
		d.logger.Warn("block index cannot be marked for rebuilding", slog.String("dir", d.Path), slog.Any("error", err))
	}
}

// addSegment makes a segment known to readers.
func (d *dir) addSegment(id uint64) *segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	seg := &segment{id: id, path: d.segmentPath(id)}
	d.mu.segs[id] = seg
	return seg
}

func (d *dir) exists(seg uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.mu.segs[seg]
	return s != nil && !s.missing
}

// publish shows the new states of segments to everyone.
func (d *dir) publish(states map[uint64]segmentState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range states {
		if seg := d.mu.segs[id]; seg != nil {
			d.used.Add(s.end - seg.state.end)
			seg.state = s
		}
	}
	if a := d.active; a != nil {
		d.slack.Store(max(0, a.allocated-a.end))
	}
}

func (d *dir) markBad(at pos) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.mu.bad) < badMax {
		d.mu.bad[at] = struct{}{}
	}
}

// isBad tells whether a copy is known not to be readable: a Put must not rely on it.
func (d *dir) isBad(e *entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, bad := d.mu.bad[e.at]; bad {
		return true
	}
	seg := d.mu.segs[e.at.seg]
	return seg != nil && (seg.missing || seg.lost > 0 && e.at.off+e.length > seg.lost)
}

// corrupt reports a copy that cannot be served, and remembers it, so that a Put replaces it.
func (d *dir) corrupt(addr block.Address, at pos, err error) *CorruptError {
	d.markBad(at)
	c := &CorruptError{Address: addr, Disk: d.disk, Segment: at.seg, Offset: at.off, Err: err}
	if d.events.Corrupt != nil {
		d.events.Corrupt(c)
	}
	return c
}

// Space is how full a directory is, in bytes.
type Space struct {
	Capacity int64 // what the store may use
	Used     int64 // what it uses, garbage and index included
	Free     int64 // what it can still write, the reserve included; negative when over capacity
}

// space asks the file system, which costs one system call.
func (d *dir) space() Space {
	s := Space{Capacity: d.CapacityBytes, Used: d.used.Load() + d.indexBytes.Load()}
	usage, err := d.fs.GetDiskUsage(d.Path)
	if err != nil { // not every file system can tell; then writing tells
		if s.Capacity == 0 {
			s.Capacity = math.MaxInt64 / 4
		}
		s.Free = s.Capacity - s.Used
		return s
	}
	if s.Capacity == 0 {
		s.Capacity = int64(usage.TotalBytes)
	}
	s.Free = min(s.Capacity-s.Used, int64(usage.AvailBytes)+d.slack.Load())
	return s
}

// openDir opens a prepared directory and starts its appender.
func openDir(p prepared, o Options) (_ *dir, err error) {
	d := &dir{
		DirOptions: p.DirOptions, disk: Disk{ID: p.disk, Path: p.Path}, fs: o.FS, logger: o.Logger, events: o.Events,
		garbageMin: o.CompactGarbage, roomMax: o.QueueBytes, room: semaphore.NewWeighted(o.QueueBytes),
		queue: make(chan *request, queueLen), stop: make(chan struct{}), stopped: make(chan struct{}),
		scratch: make([]byte, 0, scratchBytes), preallocate: true,
	}
	d.mu.segs = map[uint64]*segment{}
	d.mu.bad = map[pos]struct{}{}
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.closeFiles())
		}
	}()
	if p.empty {
		if d.disk.ID, err = format(d.fs, d.Path, o.Node, o.Cluster); err != nil {
			return nil, &DirError{Path: d.Path, Reason: "it cannot be made a disk", Remedy: "check the disk and its permissions", Err: err}
		}
	}
	capacity := d.space().Capacity
	d.segmentBytes, d.reserve = o.segmentBytes(capacity), o.reserveBytes(capacity)
	if err := d.recover(o.Rebuild); err != nil {
		if _, ok := errors.AsType[*DirError](err); ok {
			return nil, err
		}
		return nil, &DirError{Path: d.Path, Reason: "it cannot be opened", Remedy: "check the disk; its copies are on other nodes too", Err: err}
	}
	go d.appendLoop()
	return d, nil
}

func (d *dir) takeLock() (err error) {
	if err := makeDirs(d.fs, d.Path); err != nil {
		return &DirError{Path: d.Path, Reason: "it cannot be made", Remedy: "check the path and its permissions", Err: err}
	}
	d.lock, err = d.fs.Lock(d.fs.PathJoin(d.Path, lockFile))
	if err != nil {
		return &DirError{Path: d.Path, Reason: "it cannot be locked", Remedy: "stop the other process that uses it", Err: err}
	}
	return nil
}

// close ends the appender, makes everything durable and lets go of the directory. Nobody may submit any more.
func (d *dir) close() error {
	close(d.stop)
	<-d.stopped
	var err error
	if d.active != nil && d.failure() == nil {
		if err = d.active.sync(); err == nil {
			trim(d.active.file, d.active.end)
		}
	}
	return errors.Join(err, d.closeFiles())
}

func (d *dir) closeFiles() error {
	var errs []error
	if d.active != nil {
		errs = append(errs, d.active.file.Close())
		d.active = nil
	}
	if d.index != nil {
		errs = append(errs, d.index.close())
	}
	d.mu.Lock()
	for _, seg := range d.mu.segs {
		closeQuietly(seg.file)
		seg.file = nil
	}
	d.mu.Unlock()
	return errors.Join(append(errs, d.lock.Close())...)
}

// openIndex opens the index, or makes an empty one when there is none, when it is damaged, or when somebody asked.
// rebuilt tells that it is empty although the disk may not be.
func (d *dir) openIndex(rebuild bool) (rebuilt bool, err error) {
	path, mark := d.fs.PathJoin(d.Path, indexDir), d.fs.PathJoin(d.Path, rebuildFile)
	if _, err := d.fs.Stat(mark); err == nil {
		rebuild = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for %s: %w", rebuildFile, err)
	}
	if !rebuild {
		err := d.tryIndex(path)
		if err == nil {
			return false, nil
		}
		// What the system refuses is no sign of damage. All else is: a file that the index misses, bytes that it does not
		// understand. Nothing is lost by making it again but time.
		if errno := syscall.Errno(0); errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		d.logger.Warn("block index is damaged and is made again", slog.String("dir", d.Path), slog.Any("error", err))
	}
	// The mark makes sure that an index which is made only half-way is not believed.
	if err := errors.Join(writeFileSynced(d.fs, mark, nil), syncDir(d.fs, d.Path)); err != nil {
		return false, err
	}
	if err := d.fs.RemoveAll(path); err != nil {
		return false, fmt.Errorf("remove index: %w", err)
	}
	if err := makeDirs(d.fs, path); err != nil {
		return false, err
	}
	if d.index, err = openIndex(d.fs, path, d.logger, indexEvents{d.fail, d.markRebuild}); err != nil {
		return false, err
	}
	return true, d.index.setDisk(d.disk.ID)
}

var errForeignIndex = errors.New("index was made for another disk")

func (d *dir) tryIndex(path string) error {
	x, err := openIndex(d.fs, path, d.logger, indexEvents{d.fail, d.markRebuild})
	if err != nil {
		return err
	}
	owner, err := x.disk()
	if err == nil && owner != d.disk.ID {
		err = errForeignIndex
		if owner == (ID{}) { // new, or from a start that ended before it knew anything
			err = x.setDisk(d.disk.ID)
		}
	}
	if err != nil {
		return errors.Join(err, x.close())
	}
	d.index = x
	return nil
}

// unmarkRebuild makes the new index durable and believes it.
func (d *dir) unmarkRebuild() error {
	if err := d.index.db.Flush(); err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	if err := d.fs.Remove(d.fs.PathJoin(d.Path, rebuildFile)); err != nil {
		return fmt.Errorf("remove %s: %w", rebuildFile, err)
	}
	return syncDir(d.fs, d.Path)
}
