package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/id"
)

const (
	indexMemTableBytes = 4 << 20
	indexCacheBytes    = 4 << 20
	indexOpenFiles     = 64
	indexCloseWait     = 10 * time.Second
	indexOpenGrace     = 500 * time.Millisecond
	indexFlushWait     = 30 * time.Second
	indexRetryPause    = 200 * time.Millisecond
	indexFailedPause   = 5 * time.Second
	infosPerRead       = 1024 // entries that Each reads at once
)

// index maps addresses to entries. It has no write-ahead log: what a crash takes from it is read again from the
// segments, from the offset that the index itself remembers for each. One batch holds entries and offsets together, so
// any prefix of the batches is a consistent index.
type index struct {
	db *pebble.DB
	// failed is set when Pebble met an error that it cannot go on after. Reads go on.
	failed  atomic.Bool
	stopped chan struct{} // closed with failed
	// abandoned is set when nobody waits for Pebble's Open any more.
	abandoned atomic.Bool
	ready     atomic.Bool // db is open
	events    indexEvents
	closing   chan struct{}
	flushed   <-chan struct{} // of the last flush that was started; nil before
}

// indexEvents tell the directory what happens to its index.
type indexEvents struct {
	fail  func(error) // no more writes
	doubt func()      // nobody knows what was written: the index must be made again at the next start
}

func openIndex(fsys vfs.FS, path string, logger *slog.Logger, events indexEvents) (*index, error) {
	x := &index{events: events, closing: make(chan struct{}), stopped: make(chan struct{})}
	cache := pebble.NewCache(indexCacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                          indexFS{fsys, x},
		Cache:                       cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                indexMemTableBytes,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                indexOpenFiles,
		Logger:                      indexLogger{logger, x},
		EventListener:               &pebble.EventListener{BackgroundError: x.backgroundError},
		// What Pebble begins in the background while it still opens the database panics, and takes the node along, when the disk
		// fails then: Open closes what the background uses. So there are no statistics of tables, and no compactions before x is ready.
		DisableTableStats: true,
		CompactionConcurrencyRange: func() (lower, upper int) {
			if x.ready.Load() {
				return 1, 1
			}
			return 0, 1
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if err := x.open(path, opts); err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	return x, nil
}

// open gives up when the disk fails while Pebble opens the database: Pebble would try again for ever. What it holds
// then, its lock included, stays until the end of the process.
func (x *index) open(path string, opts *pebble.Options) error {
	type result struct {
		db  *pebble.DB
		err error
	}
	opened := make(chan result, 1)
	go func() {
		db, err := pebble.Open(path, opts)
		opened <- result{db, err}
	}()
	stopped := x.stopped
	var late <-chan time.Time
	for {
		select {
		case r := <-opened:
			x.db = r.db
			x.ready.Store(r.err == nil)
			return r.err
		case <-stopped:
			stopped, late = nil, time.After(indexOpenGrace)
		case <-late:
			x.abandoned.Store(true)
			return errors.New("the disk fails")
		}
	}
}

// indexFS stops the directory when a sync of the index's directory fails; Pebble would panic, in a goroutine of its
// own, and so stop the process.
type indexFS struct {
	vfs.FS
	x *index
}

// OpenDir implements vfs.FS.
func (f indexFS) OpenDir(name string) (vfs.File, error) {
	d, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return indexDirFile{d, f.x}, nil
}

// Unwrap implements vfs.FS.
func (f indexFS) Unwrap() vfs.FS { return f.FS }

type indexDirFile struct {
	vfs.File
	x *index
}

// Sync implements vfs.File.
func (f indexDirFile) Sync() error {
	if err := f.File.Sync(); err != nil {
		f.x.doubt(fmt.Errorf("index: sync directory: %w", err))
	}
	return nil
}

// backgroundError is called by Pebble, under its lock, before it tries again without a pause of its own. An error that
// is not a full disk ends the directory's writes.
func (x *index) backgroundError(err error) {
	pause := indexRetryPause
	if !vfs.IsNoSpaceError(err) {
		x.fail(fmt.Errorf("index: %w", err))
		if x.ready.Load() {
			pause = indexFailedPause
		}
	}
	select {
	case <-x.closing:
	case <-time.After(pause):
	}
	if x.abandoned.Load() {
		runtime.Goexit() // ends the retries of a database that nobody waits for
	}
}

func (x *index) fail(err error) {
	if !x.failed.Swap(true) {
		close(x.stopped)
		x.events.fail(err)
	}
}

func (x *index) doubt(err error) {
	x.fail(err)
	x.events.doubt()
}

// indexLogger passes on what Pebble reports. Fatal conditions stop the directory, not the process: after Fatalf Pebble
// returns the error to its caller, and the index is not written any more.
type indexLogger struct {
	logger *slog.Logger
	x      *index
}

// Infof drops the message: Pebble's chatter is in its metrics.
func (indexLogger) Infof(string, ...any) {}

// Errorf logs the message.
func (l indexLogger) Errorf(format string, args ...any) {
	l.logger.LogAttrs(context.Background(), slog.LevelWarn, "block index reports an error",
		slog.String("detail", fmt.Sprintf(format, args...)))
}

// Fatalf stops the directory's writes.
func (l indexLogger) Fatalf(format string, args ...any) {
	l.x.doubt(fmt.Errorf("index: "+format, args...))
}

// get returns the zero entry for an address that the index does not know.
func (x *index) get(addr block.Address) (e entry, err error) {
	v, closer, err := x.db.Get(blockKey(addr))
	if errors.Is(err, pebble.ErrNotFound) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, fmt.Errorf("read index: %w", err)
	}
	e, err = decodeEntry(v)
	if cerr := closer.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("read index: %w", cerr)
	}
	return e, err
}

// disk is the identity that the index was made for; zero when it is new.
func (x *index) disk() (d ID, err error) {
	v, closer, err := x.db.Get([]byte{keyDisk})
	if errors.Is(err, pebble.ErrNotFound) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("read index: %w", err)
	}
	if copy(d[:], v) != len(d) || len(v) != len(d) {
		err = errBadEntry
	}
	return d, errors.Join(err, closer.Close())
}

func (x *index) setDisk(d ID) error {
	return x.db.Set([]byte{keyDisk}, d[:], pebble.NoSync)
}

// segments are the states of all segments that the index knows.
func (x *index) segments() (map[uint64]segmentState, error) {
	states := map[uint64]segmentState{}
	err := x.walk([]byte{keySegment}, []byte{keySegment + 1}, func(k, v []byte) (bool, error) {
		if len(k) != 9 {
			return false, errBadEntry
		}
		s, err := decodeSegmentState(v)
		states[beUint64(k[1:])] = s
		return true, err
	})
	return states, err
}

// infos are up to n live copies from an address on, and the entries that say where they are.
func (x *index) infos(from block.Address, n int) ([]addressed, error) {
	var out []addressed
	err := x.walk(blockKey(from), []byte{keyBlock + 1}, func(k, v []byte) (bool, error) {
		addr, err := parseBlockKey(k)
		if err != nil {
			return false, err
		}
		e, err := decodeEntry(v)
		if err != nil {
			return false, err
		}
		if e.live {
			out = append(out, addressed{addr, e})
		}
		return len(out) < n, nil
	})
	return out, err
}

type addressed struct {
	addr block.Address
	entry
}

// next is the address after a, in the order of the index; false after the last of all.
func next(a block.Address) (block.Address, bool) {
	if a.Bucket++; a.Bucket != 0 {
		return a, true
	}
	for i := len(a.Hash) - 1; i >= 0; i-- {
		if a.Hash[i]++; a.Hash[i] != 0 {
			return a, true
		}
	}
	return block.Address{}, false
}

func (x *index) walk(lower, upper []byte, f func(k, v []byte) (bool, error)) error {
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		more, err := f(it.Key(), it.Value())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if !more {
			break
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	return nil
}

// change is one batch of the index.
type change struct {
	entries map[block.Address]*entry
	states  map[uint64]segmentState
	dropped []uint64 // segments that are no more
}

func (x *index) commit(c change) error {
	if x.failed.Load() {
		return errors.New("index is stopped")
	}
	b := x.db.NewBatch()
	var value []byte
	var err error
	for addr, e := range c.entries {
		if !e.needed() {
			err = errors.Join(err, b.Delete(blockKey(addr), nil))
			continue
		}
		value = e.append(value[:0])
		err = errors.Join(err, b.Set(blockKey(addr), value, nil))
	}
	for seg, s := range c.states {
		value = s.append(value[:0])
		err = errors.Join(err, b.Set(segmentKey(seg), value, nil))
	}
	for _, seg := range c.dropped {
		err = errors.Join(err, b.Delete(segmentKey(seg), nil))
	}
	if err == nil {
		err = b.Commit(pebble.NoSync)
	}
	if err := errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// startFlush begins to make the index durable, unless that is going on already. Only the appender calls it.
func (x *index) startFlush() error {
	if x.flushed != nil {
		select {
		case <-x.flushed:
		default:
			return nil
		}
	}
	done, err := x.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	x.flushed = done
	return nil
}

// flush makes the index durable up to what was committed before the call.
func (x *index) flush(ctx context.Context) error {
	if x.failed.Load() {
		return errors.New("index is stopped")
	}
	done, err := x.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-x.stopped:
		return errors.New("index is stopped")
	case <-time.After(indexFlushWait):
		return errors.New("flush index: it takes too long; is the disk full?")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close makes the index durable if that is possible within a while, and closes it. What is not durable is read again
// from the segments at the next start.
func (x *index) close() error {
	var err error
	if !x.failed.Load() {
		var done <-chan struct{}
		if done, err = x.db.AsyncFlush(); err == nil {
			select {
			case <-done:
			case <-x.stopped:
			case <-time.After(indexCloseWait):
				err = errors.New("flush takes too long")
			}
		}
	}
	close(x.closing)
	closed := make(chan struct{})
	var cerr error
	go func() {
		defer close(closed)
		cerr = x.db.Close()
	}()
	// After a failure Pebble may wait for work that never ends. Such a database is left to the end of the process.
	select {
	case <-closed:
		err = errors.Join(err, cerr)
	case <-time.After(indexCloseWait):
		err = errors.Join(err, errors.New("database does not close"))
	}
	if err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
}

// bytes is what the index takes on disk.
func (x *index) bytes() int64 { return int64(x.db.Metrics().DiskSpaceUsage()) }

// hashFrom is the first address of a hash.
func hashFrom(h id.Hash) block.Address { return block.Address{Hash: h} }

func beUint64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
