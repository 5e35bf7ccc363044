package node

import (
	"context"
	"errors"
	"time"

	"grange/internal/block/disk"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/store"
	"grange/internal/worker"
)

const (
	scrubPiece    = 4 << 20            // bytes that one step of a scrub reads
	scrubEvery    = 7 * 24 * time.Hour // from the end of a round to the beginning of the next
	compactEvery  = 5 * time.Second    // between looks, in memory, for a segment with garbage
	sweepEvery    = 24 * time.Hour     // from the end of a round to the beginning of the next
	sweepScale    = 1 << 16            // places of a sweep's cursor
	scrubCursorID = 's'
)

// tasks are the background work of this node.
func (n *node) tasks() ([]worker.Spec, error) {
	scrub, err := newScrub(n.meta, n.blocks)
	if err != nil {
		return nil, err
	}
	list := []worker.Spec{
		{Name: "compact", Description: "Gives back the room of deleted blocks", Step: n.compact, Interval: compactEvery, Tranquility: 1},
		{Name: "scrub", Description: "Reads all blocks and compares them with their hashes", Step: scrub.step, Interval: scrubEvery, Tranquility: 4},
		{Name: "sweep", Description: "Finds blocks that no object names", Step: sweepStep(n.store.NewSweep()), Interval: sweepEvery, Tranquility: 4},
	}
	var garbage []*store.Garbage
	for _, g := range n.groups.Groups() {
		if g != id.SystemGroup {
			garbage = append(garbage, n.store.NewGarbage(g))
		}
	}
	return append(list, worker.Spec{
		Name: "garbage", Description: "Deletes the blocks of deleted objects",
		Step: garbageStep(garbage), Interval: n.store.GarbageRest(), Tranquility: 0.5,
	}), nil
}

// garbageStep does a bounded piece of work for each group.
func garbageStep(groups []*store.Garbage) func(context.Context) (worker.Progress, error) {
	return func(ctx context.Context) (worker.Progress, error) {
		out := worker.Progress{Idle: true}
		var errs []error
		for _, g := range groups {
			more, err := g.Step(ctx)
			out.Idle = out.Idle && !more
			errs = append(errs, err)
		}
		return out, errors.Join(errs...)
	}
}

func sweepStep(s *store.Sweep) func(context.Context) (worker.Progress, error) {
	return func(ctx context.Context) (worker.Progress, error) {
		p, wait, err := s.Step(ctx)
		out := worker.Progress{Done: int64(p.Cursor), Total: sweepScale, Idle: wait > 0, Rest: wait}
		if p.Done {
			out = worker.Progress{Done: sweepScale, Total: sweepScale, Idle: true}
		}
		return out, err
	}
}

func (n *node) compact(ctx context.Context) (worker.Progress, error) {
	p, more, err := n.blocks.CompactStep(ctx)
	return worker.Progress{Done: p.Done, Total: p.Total, Idle: !more}, err
}

// scrub goes round all blocks. Its place is kept, so that a node that is started often comes round too.
type scrub struct {
	meta   *kv.DB
	blocks *disk.Store
	cursor disk.ScrubCursor
}

// scrubKey holds the place where the scrub goes on.
var scrubKey = kv.NodeSpace().Key([]byte{scrubCursorID})

func newScrub(meta *kv.DB, blocks *disk.Store) (*scrub, error) {
	raw, err := meta.Get(scrubKey)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	cursor, err := disk.ParseScrubCursor(string(raw))
	return &scrub{meta: meta, blocks: blocks, cursor: cursor}, err
}

func (s *scrub) step(ctx context.Context) (worker.Progress, error) {
	report, err := s.blocks.Scrub(ctx, s.cursor, scrubPiece)
	if err != nil {
		return worker.Progress{}, err
	}
	s.cursor = report.Next
	out := worker.Progress{Done: report.BytesDone, Total: report.BytesTotal, Idle: report.Done}
	if report.Done {
		s.cursor, out.Done = disk.ScrubCursor{}, report.BytesTotal
	}
	b := s.meta.NewWriteBatch()
	// Losing the place in a crash costs reading a little twice: no sync.
	return out, errors.Join(b.Set(scrubKey, []byte(s.cursor.String())), b.Commit(false), b.Close())
}
