package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// DB is a Pebble database in one directory. Its reads see the newest state.
type DB struct {
	pebble *pebble.DB
	events Events
	failed atomic.Pointer[error]
	// wedged is set when Pebble left a call by panic: its locks may be held, and it cannot be closed.
	wedged atomic.Bool
}

var _ Store = (*DB)(nil)

// Open opens the store in dir, and makes it when there is none, or fails with ErrMissing if it must exist. It fails with
// ErrNewerFormat, having changed nothing, on a store of a newer program. The caller closes it.
func Open(dir string, o Options) (db *DB, err error) {
	o = o.withDefaults()
	if err := refuseNewerPebble(dir, o); err != nil {
		return nil, err
	}
	d := &DB{events: o.Events}
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("open store %s: %w", dir, panicError(r))
		}
	}()
	if d.pebble, err = pebble.Open(dir, o.pebbleOptions(d)); err != nil {
		if errors.Is(err, pebble.ErrDBDoesNotExist) {
			return nil, fmt.Errorf("open store %s: %w", dir, ErrMissing)
		}
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	if err := d.checkFormat(o.ReadOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), d.pebble.Close())
	}
	return d, nil
}

// refuseNewerPebble looks at the marker file that names Pebble's format, before Pebble touches the directory.
func refuseNewerPebble(dir string, o Options) error {
	names, err := o.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new store
	}
	if err != nil {
		return fmt.Errorf("open store %s: %w", dir, err)
	}
	_, version, err := atomicfs.LocateMarkerInListing(o.FS, dir, "format-version", names)
	if err != nil || version == "" {
		return err
	}
	v, err := strconv.ParseUint(version, 10, 32)
	if err != nil {
		return fmt.Errorf("store %s: unreadable format marker %q: %w", dir, version, err)
	}
	if v > uint64(pebbleFormat) {
		return fmt.Errorf("store %s: %w: its tables have format %d, this program reads up to %d",
			dir, ErrNewerFormat, v, pebbleFormat)
	}
	return nil
}

// checkFormat reads the version of our own layout, and writes it into a new store.
func (d *DB) checkFormat(readOnly bool) error {
	raw, err := d.Get(FormatKey())
	if errors.Is(err, ErrNotFound) && !readOnly {
		b := d.NewWriteBatch()
		defer b.Close()
		if err := b.Set(FormatKey(), binary.AppendUvarint(nil, FormatVersion)); err != nil {
			return err
		}
		return b.Commit(true)
	}
	if err != nil {
		return fmt.Errorf("read the format version: %w", err)
	}
	v, n := binary.Uvarint(raw)
	if n != len(raw) || v == 0 {
		return fmt.Errorf("unreadable format version %x", raw)
	}
	if v > FormatVersion {
		return fmt.Errorf("%w: its keys have format %d, this program reads up to %d", ErrNewerFormat, v, FormatVersion)
	}
	return nil
}

// fatal records the first failure and reports it.
func (d *DB) fatal(err error) {
	if d.failed.CompareAndSwap(nil, &err) && d.events.Failed != nil {
		d.events.Failed(err)
	}
}

// Err is the failure that stopped the store, nil while it works. It is an ErrFailed.
func (d *DB) Err() error {
	if p := d.failed.Load(); p != nil {
		return fmt.Errorf("%w: %w", ErrFailed, *p)
	}
	return nil
}

// Get returns a copy of the value of key, or ErrNotFound.
func (d *DB) Get(key []byte) ([]byte, error) { return get(d.pebble, key) }

// NewIter walks the keys in [lower, upper) of the state at the time of the call.
func (d *DB) NewIter(lower, upper []byte) (Iterator, error) { return newIter(d.pebble, lower, upper) }

// Snapshot holds the newest state. It keeps old values on disk until it is closed.
func (d *DB) Snapshot() Snapshot { return dbSnapshot{d.pebble.NewSnapshot()} }

// NewBatch starts a batch that can be read.
func (d *DB) NewBatch() IndexedBatch { return &dbBatch{db: d, batch: d.pebble.NewIndexedBatch()} }

// NewWriteBatch starts a batch that is only written.
func (d *DB) NewWriteBatch() WriteBatch { return &dbBatch{db: d, batch: d.pebble.NewBatch()} }

// Metrics are Pebble's own numbers.
func (d *DB) Metrics() *pebble.Metrics { return d.pebble.Metrics() }

// DiskUsage estimates the bytes on disk of the keys in [lower, upper).
func (d *DB) DiskUsage(lower, upper []byte) (uint64, error) {
	return d.pebble.EstimateDiskUsage(lower, upper)
}

// Flush writes what is in memory to tables, as before a copy of the directory is taken.
func (d *DB) Flush() error { return d.pebble.Flush() }

// Close waits for background work and closes the store. All iterators and snapshots must be closed before. A store
// that failed is closed as far as it can be.
func (d *DB) Close() (err error) {
	if d.wedged.Load() {
		return d.Err()
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("close store: %w", panicError(r))
		}
	}()
	return errors.Join(d.Err(), d.pebble.Close())
}

// dbBatch is a Pebble batch of either kind.
type dbBatch struct {
	db    *DB
	batch *pebble.Batch
}

func (b *dbBatch) Get(key []byte) ([]byte, error) { return get(b.batch, key) }

func (b *dbBatch) NewIter(lower, upper []byte) (Iterator, error) {
	return newIter(b.batch, lower, upper)
}

func (b *dbBatch) Set(key, value []byte) error { return b.batch.Set(key, value, nil) }

func (b *dbBatch) Delete(key []byte) error { return b.batch.Delete(key, nil) }

func (b *dbBatch) DeleteRange(lower, upper []byte) error {
	return b.batch.DeleteRange(lower, upper, nil)
}

func (b *dbBatch) Len() int { return b.batch.Len() }

func (b *dbBatch) Close() error {
	if b.db.failed.Load() != nil {
		return nil // the commit pipeline may still hold the batch
	}
	return b.batch.Close()
}

// Commit waits for the sync by itself, because Pebble's own commit ends the process when a sync fails.
func (b *dbBatch) Commit(sync bool) (err error) {
	if err := b.db.Err(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			b.db.wedged.Store(true)
			b.db.fatal(panicError(r))
			err = b.db.Err()
		}
	}()
	if !sync {
		return b.check(b.batch.Commit(pebble.NoSync))
	}
	if err := b.db.pebble.ApplyNoSyncWait(b.batch, pebble.Sync); err != nil {
		return b.check(err)
	}
	return b.check(b.batch.SyncWait())
}

func (b *dbBatch) check(err error) error {
	if err != nil {
		b.db.fatal(err)
	}
	return b.db.Err()
}

type dbSnapshot struct{ s *pebble.Snapshot }

func (s dbSnapshot) Get(key []byte) ([]byte, error) { return get(s.s, key) }

func (s dbSnapshot) NewIter(lower, upper []byte) (Iterator, error) {
	return newIter(s.s, lower, upper)
}

func (s dbSnapshot) Close() error { return s.s.Close() }

func get(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get %x: %w", key, err)
	}
	out := append(make([]byte, 0, len(v)), v...)
	return out, closer.Close()
}

func newIter(r pebble.Reader, lower, upper []byte) (Iterator, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("iterate [%x, %x): %w", lower, upper, err)
	}
	return it, nil
}

// panicError turns what a recover returned into an error. What is not an error is our bug and goes on.
func panicError(r any) error {
	err, ok := r.(error)
	if !ok {
		panic(r)
	}
	return err
}
