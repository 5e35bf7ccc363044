package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	roomEvery = time.Second // between looks at the free space of the metadata's disk
	roomBytes = 4 << 20     // of writes, after which it is looked at sooner

	roomReserveMin = 32 << 20 // enough for the logs and tables that deletions write
	roomReserveMax = 1 << 30
)

// room watches the free space on the disk that holds the metadata. When it falls below the reserve the store refuses what
// adds to it, so that deletions, and the database's own tidying up, still find room.
type room struct {
	path    string
	reserve int64 // bytes; 0: a tenth of the disk, within roomReserveMin and roomReserveMax
	log     *slog.Logger
	usage   func(path string) (vfs.DiskUsage, error)

	written atomic.Int64 // since the last look, in bytes
	looked  atomic.Int64 // time of the last look, in Unix nanoseconds
	full    atomic.Bool
}

func newRoom(path string, reserve int64, log *slog.Logger) *room {
	return &room{path: path, reserve: reserve, log: log, usage: vfs.Default.GetDiskUsage}
}

// wrote counts bytes that were written.
func (r *room) wrote(n int) { r.written.Add(int64(n)) }

// isFull tells whether only the reserve is left. It looks at the disk once a second, or after roomBytes of writes.
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
		reserve = min(max(int64(u.TotalBytes/10), roomReserveMin), roomReserveMax)
	}
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
