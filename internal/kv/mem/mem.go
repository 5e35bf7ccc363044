// Package mem is the in-memory twin of the store in kv: the same contract over an ordered tree, for tests and the
// simulator.
//
// The tree is immutable: a write makes a new root and shares the rest, so that snapshots and forks cost nothing.
// Nothing in it depends on chance or time: the same calls give the same answers.
package mem

import (
	"sync"

	"grange/internal/kv"
)

// DB is an ordered store in memory. Its reads see the newest state.
type DB struct {
	mu struct {
		sync.Mutex
		root *node
	}
}

var _ kv.Store = (*DB)(nil)

// New makes an empty store.
func New() *DB { return new(DB) }

// Fork makes a store with the same content; from then on both go their own ways.
func (d *DB) Fork() *DB {
	f := new(DB)
	f.mu.root = d.root()
	return f
}

func (d *DB) root() *node {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.root
}

// Get returns a copy of the value of key, or kv.ErrNotFound.
func (d *DB) Get(key []byte) ([]byte, error) { return get(d.root(), key) }

// NewIter walks the keys in [lower, upper) of the state at the time of the call.
func (d *DB) NewIter(lower, upper []byte) (kv.Iterator, error) {
	return newIter(d.root(), lower, upper), nil
}

// Snapshot holds the newest state.
func (d *DB) Snapshot() kv.Snapshot { return snapshot{d.root()} }

// NewBatch starts a batch that can be read.
func (d *DB) NewBatch() kv.IndexedBatch { return &batch{db: d} }

// NewWriteBatch starts a batch that is only written.
func (d *DB) NewWriteBatch() kv.WriteBatch { return &batch{db: d} }

type snapshot struct{ root *node }

func (s snapshot) Get(key []byte) ([]byte, error) { return get(s.root, key) }

func (s snapshot) NewIter(lower, upper []byte) (kv.Iterator, error) {
	return newIter(s.root, lower, upper), nil
}

func (s snapshot) Close() error { return nil }

// change is one operation of a batch.
type change struct {
	kind       byte // 's' set, 'd' delete, 'r' delete range
	key, value []byte
}

func (c change) applyTo(root *node) *node {
	switch c.kind {
	case 's':
		return set(root, c.key, c.value)
	case 'd':
		return remove(root, c.key)
	default:
		return removeRange(root, c.key, c.value)
	}
}

// batch holds its changes, and for reading a tree that is base with the changes made.
type batch struct {
	db         *DB
	changes    []change
	size       int
	base, view *node
	applied    int // how many of the changes are in view
}

func (b *batch) Set(key, value []byte) error { return b.add('s', key, value) }

func (b *batch) Delete(key []byte) error { return b.add('d', key, nil) }

func (b *batch) DeleteRange(lower, upper []byte) error { return b.add('r', lower, upper) }

func (b *batch) add(kind byte, key, value []byte) error {
	b.changes = append(b.changes, change{kind, clone(key), clone(value)})
	b.size += len(key) + len(value)
	return nil
}

func (b *batch) Len() int { return b.size }

// current brings the view up to date with the store and with the changes.
func (b *batch) current() *node {
	if base := b.db.root(); b.applied == 0 || base != b.base {
		b.base, b.view, b.applied = base, base, 0
	}
	for ; b.applied < len(b.changes); b.applied++ {
		b.view = b.changes[b.applied].applyTo(b.view)
	}
	return b.view
}

func (b *batch) Get(key []byte) ([]byte, error) { return get(b.current(), key) }

func (b *batch) NewIter(lower, upper []byte) (kv.Iterator, error) {
	return newIter(b.current(), lower, upper), nil
}

func (b *batch) Commit(bool) error {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	for _, c := range b.changes {
		b.db.mu.root = c.applyTo(b.db.mu.root)
	}
	return nil
}

func (b *batch) Close() error {
	b.changes = nil
	return nil
}

func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }
