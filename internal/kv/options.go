package kv

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how a [DB] is opened. The zero value is the default for a small machine.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// CacheBytes bounds the block cache; 0 means 32 MiB.
	CacheBytes int64
	// MemTableBytes is the size at which changes in memory are flushed to a table; 0 means 16 MiB. Up to four of
	// them are held while the disk is slow.
	MemTableBytes uint64
	// MaxOpenFiles bounds the files held open; 0 means 500.
	MaxOpenFiles int
	// MustExist refuses to make a new store: for a node that knows that it had one.
	MustExist bool
	// ReadOnly opens the store for looking only; the directory is not changed.
	ReadOnly bool
	// Logger gets what Pebble says about itself; nil drops it.
	Logger *slog.Logger
	// Events are called on what the operator must know.
	Events Events
}

// Events are the store's reports. Each may be nil. They are called from the store's own goroutines, must return
// soon and must not call the store.
type Events struct {
	// Failed is called once, when a write or sync failed: the store acknowledges nothing more.
	Failed func(err error)
	// BackgroundError reports a flush or compaction that failed and will be tried again, such as on a full disk.
	BackgroundError func(err error)
	// Corruption reports a file whose checksum does not hold. The read that met it returns an error too.
	Corruption func(path string, err error)
	// DiskSlow reports a write to a file that has been pending for longer than five seconds.
	DiskSlow func(path string, pending time.Duration)
	// WriteStall reports that writers wait for flushes or compactions, with the reason.
	WriteStall func(reason string)
}

const (
	cacheBytesDefault    = 32 << 20
	memTableBytesDefault = 16 << 20
	openFilesDefault     = 500
	// pebbleFormat is what Pebble v2.1.7 writes by default and what every later release reads.
	pebbleFormat = pebble.FormatValueSeparation
	// bloomBitsPerKey gives about 1 % false positives.
	bloomBitsPerKey = 10
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = memTableBytesDefault
	}
	if o.MaxOpenFiles == 0 {
		o.MaxOpenFiles = openFilesDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// pebbleOptions are the settings of the database under d. Value separation (blob files) stays off: see DESIGN.md.
func (o Options) pebbleOptions(d *DB) *pebble.Options {
	po := &pebble.Options{
		FS:                          o.FS,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                o.MaxOpenFiles,
		FormatMajorVersion:          pebbleFormat,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		BytesPerSync:                512 << 10,
		WALBytesPerSync:             0, // every acknowledged batch is synced anyway
		ErrorIfNotExists:            o.MustExist || o.ReadOnly,
		ReadOnly:                    o.ReadOnly,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		Logger:                      pebbleLogger{log: o.Logger, fatal: d.fatal},
		EventListener:               o.listener(),
	}
	po.FlushDelayDeleteRange = 10 * time.Second
	po.FlushSplitBytes = 4 << 20
	po.Experimental.ReadCompactionRate = -1 // reads start no compactions: an idle disk stays quiet
	for i := range po.Levels {
		po.Levels[i].BlockSize = 16 << 10
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	return po
}

func (o Options) listener() *pebble.EventListener {
	l := &pebble.EventListener{
		BackgroundError: func(err error) {
			if o.Events.BackgroundError != nil {
				o.Events.BackgroundError(err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			if o.Events.Corruption != nil {
				o.Events.Corruption(i.Path, i.Details)
			}
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			if o.Events.DiskSlow != nil {
				o.Events.DiskSlow(i.Path, i.Duration)
			}
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			if o.Events.WriteStall != nil {
				o.Events.WriteStall(i.Reason)
			}
		},
	}
	return l
}

// pebbleLogger passes on what Pebble logs. Pebble calls Fatalf when it cannot go on and expects no return: after the
// failure was recorded and reported, the goroutine panics, which ends the process if it is one of Pebble's own.
type pebbleLogger struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof logs at the debug level: Pebble tells of every recovered log file.
func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", slog.String("message", fmt.Sprintf(format, args...)))
}

// Errorf logs an error.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble failed", slog.String("message", fmt.Sprintf(format, args...)))
}

// Fatalf records the failure and does not return.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.fatal(err)
	panic(fatalError{err})
}

// fatalError is the value with which Fatalf leaves Pebble.
type fatalError struct{ err error }

func (f fatalError) Error() string { return f.err.Error() }

func (f fatalError) Unwrap() error { return f.err }
