package sim

import (
	"bytes"

	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

// disk is the store of one node. What it holds is visible at once; what is durable is decided by syncs. A crash
// leaves a prefix of the committed batches that reaches at least to the last sync, as Pebble's one write-ahead log
// does.
type disk struct {
	db      *mem.DB
	synced  *mem.DB   // the state at the last sync that ended
	unsaved []*mem.DB // the states after each later batch, in order
	broken  *Broken
}

func newDisk(broken *Broken) *disk {
	db := mem.New()
	return &disk{db: db, synced: db.Fork(), broken: broken}
}

// commit makes a batch visible and returns the mark that a later sync may save up to.
func (d *disk) commit(b kv.WriteBatch) error {
	if err := b.Commit(false); err != nil {
		return err
	}
	d.unsaved = append(d.unsaved, d.db.Fork())
	return nil
}

// mark is the state that a sync which begins now will save.
func (d *disk) mark() *mem.DB { return d.db.Fork() }

// save ends a sync: mark and everything before it is durable.
func (d *disk) save(mark *mem.DB, batches int) {
	if d.broken.LoseSyncedWrites {
		return
	}
	d.synced = mark
	d.unsaved = d.unsaved[batches:]
}

// crash loses a random part of what was not synced: pick chooses among n.
func (d *disk) crash(pick func(n int) int) {
	if k := pick(len(d.unsaved) + 1); k > 0 {
		d.synced = d.unsaved[k-1]
	}
	d.unsaved = nil
	d.db = d.synced.Fork()
}

// tailKeeper is a writer that does not delete log entries behind the ones it writes.
type tailKeeper struct {
	kv.Writer
	log     kv.Space
	written []byte // the key of the last entry written
}

func (t *tailKeeper) Set(key, value []byte) error {
	if bytes.HasPrefix(key, t.log) {
		t.written = append([]byte(nil), key...)
	}
	return t.Writer.Set(key, value)
}

func (t *tailKeeper) DeleteRange(lower, upper []byte) error {
	if bytes.HasPrefix(lower, t.log) && t.written != nil && bytes.Compare(lower, t.written) > 0 {
		return nil
	}
	return t.Writer.DeleteRange(lower, upper)
}

// stateBatch is a batch for a state machine, in which single tables can be lost.
type stateBatch struct {
	kv.IndexedBatch
	broken  *Broken
	applied []byte // key of the applied index
	results kv.Space
	late    []byte // the applied record, when it is written apart
}

func (b *stateBatch) Set(key, value []byte) error {
	switch {
	case b.broken.NoDedupe && bytes.HasPrefix(key, b.results):
		return nil
	case b.broken.AppliedNotAtomic && bytes.Equal(key, b.applied):
		b.late = append([]byte(nil), value...)
		return nil
	}
	return b.IndexedBatch.Set(key, value)
}

func newStateBatch(d *disk) *stateBatch {
	space := kv.GroupSpace(group)
	return &stateBatch{
		IndexedBatch: d.db.NewBatch(), broken: d.broken,
		applied: space.Sub('a'), results: space.Sub('r'),
	}
}

// commitState commits the batch of an apply; with a broken rule, the applied index goes first in a batch of its own.
// (The other way round does no harm: what is applied again is found in the table of results.)
func (d *disk) commitState(b *stateBatch) error {
	if b.late != nil {
		first := d.db.NewWriteBatch()
		if err := first.Set(b.applied, b.late); err != nil {
			return err
		}
		if err := d.commit(first); err != nil {
			return err
		}
	}
	return d.commit(b.IndexedBatch)
}

// stateHashSpaces are the tables that are equal on all replicas at one applied index.
func stateHashSpaces() []kv.Space {
	space := kv.GroupSpace(group)
	return []kv.Space{space.Sub('a'), space.Sub('e'), space.Sub('r'), raftgroup.StateSpace(group)}
}
