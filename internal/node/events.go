package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"grange/internal/api/s3"
	"grange/internal/block/disk"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// tell logs what an operator must know, and counts it.
func (n *node) tell(kind, text string, attrs ...slog.Attr) {
	n.metrics.trouble.WithLabelValues(kind).Inc()
	n.log.LogAttrs(context.Background(), slog.LevelError, text, attrs...) //nolint:sloglint // each caller passes a constant
}

// troublePause is the time between two reports of something that is tried again and again.
const troublePause = 10 * time.Second

func (n *node) metaEvents() kv.Events {
	var background atomic.Int64 // when it was last told of, in Unix nanoseconds
	return kv.Events{
		Failed: func(err error) {
			n.tell(troubleMetaFailed, "metadata store failed: no write is acknowledged any more", slog.String("error", err.Error()))
		},
		BackgroundError: func(err error) {
			now, last := time.Now().UnixNano(), background.Load()
			if now-last < int64(troublePause) || !background.CompareAndSwap(last, now) {
				return
			}
			n.tell(troubleBackground, "metadata store cannot tidy up, it tries again", slog.String("error", err.Error()))
		},
		Corruption: func(path string, err error) {
			n.tell(troubleCorruptMeta, "metadata file is corrupt", slog.String("path", path), slog.String("error", err.Error()))
		},
		DiskSlow: func(path string, pending time.Duration) {
			n.tell(troubleDiskStall, "disk is slow", slog.String("path", path), slog.Duration("pending", pending))
		},
		WriteStall: func(reason string) {
			n.metrics.trouble.WithLabelValues(troubleWriteStall).Inc()
			n.log.LogAttrs(context.Background(), slog.LevelWarn, "writers wait for the metadata store", slog.String("reason", reason))
		},
	}
}

func (n *node) groupEvents() raftgroup.Events {
	return raftgroup.Events{
		LeaderChanged: func(g id.Group, leader id.Replica, term uint64) {
			n.log.LogAttrs(context.Background(), slog.LevelDebug, "group has a leader",
				slog.Uint64("group", uint64(g)), slog.Uint64("leader", uint64(leader)), slog.Uint64("term", term))
		},
		Quarantined: func(g id.Group, err error) {
			n.tell(troubleQuarantine, "group was set aside", slog.Uint64("group", uint64(g)), slog.String("error", err.Error()))
		},
		DiskStall: func(pending time.Duration) {
			n.tell(troubleDiskStall, "write of the logs is pending", slog.Duration("pending", pending))
		},
		BadMessage: func(from id.Node, err error) {
			n.tell(troubleBadMessage, "node sent a bad message", slog.String("node", from.String()), slog.String("error", err.Error()))
		},
		Committed: func(bytes int, sync bool, took time.Duration) {
			n.metrics.committed.Add(float64(bytes))
			n.room.wrote(bytes)
			if sync {
				n.metrics.commits.Observe(took.Seconds())
			}
		},
	}
}

func (n *node) diskEvents() disk.Events {
	return disk.Events{
		Corrupt: func(e *disk.CorruptError) {
			n.tell(troubleCorruptBlock, "block is corrupt", slog.Any("error", e))
		},
		ReadOnly: func(d disk.Disk, err error) {
			n.tell(troubleDiskReadOnly, "block directory takes no more writes",
				slog.String("path", d.Path), slog.String("error", err.Error()))
		},
		Recovered: func(d disk.Disk, r disk.Recovery) {
			n.log.LogAttrs(context.Background(), slog.LevelInfo, "block directory was not stopped cleanly and is whole again",
				slog.String("path", d.Path), slog.Bool("index_rebuilt", r.Rebuilt), slog.Int("records", r.Records),
				slog.Int64("bytes_read", r.Bytes), slog.Int64("torn_bytes", r.Torn), slog.Int("missing_segments", r.Missing))
		},
		Compacted: func(d disk.Disk, c disk.Compacted) {
			n.log.LogAttrs(context.Background(), slog.LevelDebug, "segment was rewritten",
				slog.String("path", d.Path), slog.Uint64("segment", c.Segment),
				slog.Int64("freed_bytes", c.FreedSize), slog.Int64("moved_bytes", c.Moved))
		},
	}
}

func (n *node) s3Events() s3.Events {
	return s3.Events{
		RequestBegan: n.metrics.inFlight.Inc,
		RequestEnded: func(e s3.RequestEnd) {
			n.metrics.requestEnded(e)
			n.log.LogAttrs(context.Background(), slog.LevelDebug, "s3 request",
				slog.String("request_id", e.ID), slog.String("operation", e.Operation), slog.Int("status", e.Status),
				slog.String("code", string(e.Code)), slog.String("access_key", e.AccessKey), slog.String("bucket", e.Bucket),
				slog.Int64("received_bytes", e.Received), slog.Int64("sent_bytes", e.Sent), slog.Duration("took", e.Duration))
		},
	}
}
