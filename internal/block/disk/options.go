package disk

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/id"
)

var (
	// ErrNewerFormat reports data that a newer version of the program wrote: start that one.
	ErrNewerFormat = errors.New("block/disk: written by a newer version of the program")
	// ErrClosed reports a call after Close.
	ErrClosed = errors.New("block/disk: store is closed")
)

// Options are the parts and settings of a store. Dirs, Node and Cluster are needed; the rest has defaults.
type Options struct {
	Dirs    []DirOptions
	Node    id.Node
	Cluster [16]byte
	// Expected lists the disks that the node has used before, as Disks told. Open refuses to start without one of them,
	// because an unmounted disk looks like an empty one.
	Expected []Disk
	FS       vfs.FS // default: the machine's file system

	ReserveBytes int64 // per directory, kept free for deletes and compaction; default: 1/64 of the capacity, 2 segments at least
	SegmentBytes int64 // size at which a segment is full; default 256 MiB, less on small disks
	QueueBytes   int64 // plain bytes that wait in Puts, per directory; default 32 MiB
	Compression  Compression
	// CompactGarbage is the share of garbage from which a segment is rewritten; default 0.25.
	CompactGarbage float64
	// Rebuild makes the indexes again from the segments, whatever state they are in.
	Rebuild bool

	Logger *slog.Logger // default: discard
	Events Events
}

// DirOptions describe one data directory.
type DirOptions struct {
	Path          string
	CapacityBytes int64 // how much of the file system the store may use; 0 is all of it
}

// Compression says which blocks are compressed.
type Compression string

const (
	// CompressAuto compresses chunks that a sample shows to be compressible. It is the default.
	CompressAuto Compression = "auto"
	// CompressNone stores everything as it is.
	CompressNone Compression = "none"
)

// Events tell the node what happened; each may be nil. They are called by the goroutine that found out, and must return
// quickly.
type Events struct {
	// Corrupt reports a copy that did not match its checksum, when a read or a scrub or a compaction met it.
	Corrupt func(*CorruptError)
	// ReadOnly reports that a directory takes no more writes, and why.
	ReadOnly func(Disk, error)
	// Recovered reports what Open read again after an unclean stop.
	Recovered func(Disk, Recovery)
	// Compacted reports a segment that was rewritten and removed.
	Compacted func(Disk, Compacted)
}

// Recovery is what Open did for one directory.
type Recovery struct {
	Rebuilt  bool  // the index was made from nothing
	Segments int   // segments that had something to read
	Records  int   // records found there
	Bytes    int64 // bytes looked at
	Torn     int64 // bytes that were no valid record: what a power cut left of writes that nobody was told to be done
	Missing  int   // segments that the index needs and that are not there
}

// Compacted is the outcome of one compaction.
type Compacted struct {
	Segment   uint64
	FreedSize int64 // size of the removed file, in bytes
	Moved     int64 // bytes of records that were copied
}

// Disk names a data directory and where it was found.
type Disk struct {
	ID   ID
	Path string
}

// String is the hexadecimal form.
func (d ID) String() string { return hex.EncodeToString(d[:]) }

// ParseID reads the form that String writes.
func ParseID(s string) (d ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) || hex.EncodeToString(b) != s {
		return ID{}, fmt.Errorf("block/disk: invalid disk id %q", s)
	}
	return ID(b), nil
}

// DirError is the reason for which Open refuses a directory, and what to do about it.
type DirError struct {
	Path   string
	Reason string
	Remedy string
	Err    error // cause, may be nil
}

// Error is one line for the operator.
func (e *DirError) Error() string {
	cause := ""
	if e.Err != nil && !errors.Is(e.Err, ErrNewerFormat) { // whose reason says it all
		cause = ": " + e.Err.Error()
	}
	return fmt.Sprintf("data directory %s: %s%s; %s", e.Path, e.Reason, cause, e.Remedy)
}

// Unwrap is the cause.
func (e *DirError) Unwrap() error { return e.Err }

// CorruptError is a copy that cannot be served. errors.Is finds block.ErrCorrupt in it.
type CorruptError struct {
	Address block.Address
	Disk    Disk
	Segment uint64
	Offset  int64 // of the record in the segment file, in bytes
	Err     error // what did not match, or the error of the disk
}

// Error names the place.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("block %s of bucket %s is corrupt in %s, segment %d, offset %d: %v",
		e.Address.Hash, e.Address.Bucket, e.Disk.Path, e.Segment, e.Offset, e.Err)
}

// Is matches block.ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == block.ErrCorrupt }

// Unwrap is the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

const (
	segmentBytesMax = 256 << 20
	segmentBytesMin = 16 << 20
	queueBytes      = 32 << 20
	compactGarbage  = 0.25
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = queueBytes
	}
	if o.Compression == "" {
		o.Compression = CompressAuto
	}
	if o.CompactGarbage == 0 {
		o.CompactGarbage = compactGarbage
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	if len(o.Dirs) == 0 {
		return errors.New("block/disk: no data directory is configured; name at least one")
	}
	if o.Compression != CompressAuto && o.Compression != CompressNone {
		return fmt.Errorf("block/disk: compression %q is unknown; use %q or %q", o.Compression, CompressAuto, CompressNone)
	}
	seen := map[string]bool{}
	for _, d := range o.Dirs {
		if d.Path == "" || d.CapacityBytes < 0 {
			return fmt.Errorf("block/disk: data directory %q with capacity %d: a path and no negative capacity are needed",
				d.Path, d.CapacityBytes)
		}
		if seen[d.Path] {
			return fmt.Errorf("block/disk: data directory %s is named twice; name each disk once", d.Path)
		}
		seen[d.Path] = true
	}
	if o.SegmentBytes < 0 || o.ReserveBytes < 0 || o.QueueBytes < 0 || o.CompactGarbage < 0 || o.CompactGarbage > 1 {
		return errors.New("block/disk: sizes must not be negative, and the share of garbage must be from 0 to 1")
	}
	return nil
}

// segmentBytes is the size of a segment on a disk of this capacity.
func (o Options) segmentBytes(capacity int64) int64 {
	if o.SegmentBytes > 0 {
		return o.SegmentBytes
	}
	return min(max(capacity/64, segmentBytesMin), segmentBytesMax)
}

// reserveBytes is what Puts leave free on a disk of this capacity.
func (o Options) reserveBytes(capacity int64) int64 {
	if o.ReserveBytes > 0 {
		return o.ReserveBytes
	}
	return max(capacity/64, 2*o.segmentBytes(capacity))
}
