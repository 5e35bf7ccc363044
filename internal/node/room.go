package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// roomEvery is the time between looks at the free space of the metadata's disk. A look takes a microsecond or two; content
	// that shares the disk comes at hundreds of megabytes a second.
	roomEvery = 50 * time.Millisecond
	roomBytes = 4 << 20 // of writes to the metadata, after which it is looked at sooner

	// roomMemTables is how many tables in memory the reserve has room for: at worst the database takes a new log and writes
	// out a table for each that it holds, four of them, and must then still be able to record deletions.
	roomMemTables  = 6
	roomReserveMax = 1 << 30
)

// room watches the free space on the disk that holds the metadata. When it falls below the reserve the store refuses what
// adds to it, so that deletions, and the database's own tidying up, still find room.
type room struct {
	path    string
	reserve int64 // bytes; 0: a tenth of the disk, within least and roomReserveMax
	least   int64 // bytes; what the database needs whatever the operator says
	log     *slog.Logger
	usage   func(path string) (vfs.DiskUsage, error)

	written atomic.Int64 // since the last look, in bytes
	looked  atomic.Int64 // time of the last look, in Unix nanoseconds
	full    atomic.Bool
}

func newRoom(path string, reserve int64, memTable uint64, log *slog.Logger) *room {
	return &room{path: path, reserve: reserve, least: roomMemTables * int64(memTable), log: log, usage: vfs.Default.GetDiskUsage}
}

// wrote counts bytes that were written.
func (r *room) wrote(n int) { r.written.Add(int64(n)) }

// isFull tells whether only the reserve is left. It looks at the disk every roomEvery, and after roomBytes of writes.
func (r *room) isFull() bool {
	now, last := time.Now().UnixNano(), r.looked.Load()
	due := now-last >= int64(roomEvery) || now < last || r.written.Load() >= roomBytes
	if due && r.looked.CompareAndSwap(last, now) {
		r.written.Store(0)
		r.look()
	}
	return r.full.Load()
}

func (r *room) look() {
	u, err := r.usage(r.path)
	if err != nil {
		// An unknown amount of room is no reason to refuse writes: the database reports a full disk itself.
		r.log.LogAttrs(context.Background(), slog.LevelWarn, "free space is not known", slog.String("path", r.path), slog.Any("error", err))
		return
	}
	reserve := r.reserve
	if reserve == 0 {
		reserve = min(int64(u.TotalBytes/10), roomReserveMax)
	}
	reserve = max(reserve, r.least)
	full := int64(u.AvailBytes) < reserve
	if was := r.full.Swap(full); was == full {
		return
	}
	text := "metadata disk has room again: writes are accepted"
	if full {
		text = "metadata disk is nearly full: only deletions are accepted"
	}
	r.log.LogAttrs(context.Background(), slog.LevelWarn, text, //nolint:sloglint // one of two constants
		slog.String("path", r.path), slog.Uint64("free_bytes", u.AvailBytes), slog.Int64("reserve_bytes", reserve))
}
