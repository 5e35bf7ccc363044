// Package kv is the ordered key-value store under everything that is replicated: one Pebble database per node, cut
// into keyspaces by prefix.
//
// State machines are written against [Reader] and [Batch], which Pebble and the in-memory twin in kv/mem both
// satisfy, so that the same state machine runs in the product and in the simulator. Keys are ordered as bytes.
//
// [DB] is the product's store; kv/mem is the twin; kv/kvtest is the suite that both pass.
//
// Promise. Batches become visible and durable whole and in order: after a crash the store holds a prefix of the
// committed batches that reaches at least to the last one committed with sync. After a failed write or sync nothing
// more is acknowledged: every later Commit returns [ErrFailed]. All methods may be called concurrently, except that
// one batch and one iterator belong to one goroutine.
//
// Formats. The key [FormatKey] holds the version of this layout as a uvarint, [FormatVersion]. Pebble's own format is
// pinned as well. A directory in which either is newer than this program knows is refused with [ErrNewerFormat].
//
// Keyspaces. The first byte of a key says whose it is:
//
//	'g' group (4 bytes, big-endian) …   everything of one consensus group: log, sessions and state
//	'n' …                               this node's own records: identity, format, worker settings
//
// All that belongs to a group stands under one prefix, so that a snapshot can replace it in one step.
package kv

import (
	"encoding/binary"
	"errors"

	"grange/internal/id"
)

// ErrNotFound reports that a key has no value.
var ErrNotFound = errors.New("kv: not found")

// ErrFailed reports a store that met a failed write or sync. It acknowledges nothing more; the process must stop and
// look at the disk.
var ErrFailed = errors.New("kv: store failed")

// ErrNewerFormat reports a directory that was written by a newer program. Nothing in it was changed.
var ErrNewerFormat = errors.New("kv: written by a newer version of grange")

// ErrMissing reports a directory without a store, where one must be.
var ErrMissing = errors.New("kv: no store here")

// FormatVersion is the version of the layout of keyspaces that this program writes.
const FormatVersion = 1

// FormatKey holds the format version of the store as a uvarint.
func FormatKey() []byte { return NodeSpace().Key([]byte{'f'}) }

// Reader reads one consistent state.
type Reader interface {
	// Get returns a copy of the value of key, or ErrNotFound.
	Get(key []byte) ([]byte, error)
	// NewIter walks the keys in [lower, upper). It must be closed.
	NewIter(lower, upper []byte) (Iterator, error)
}

// Writer changes keys.
type Writer interface {
	Set(key, value []byte) error
	Delete(key []byte) error
	// DeleteRange deletes the keys in [lower, upper).
	DeleteRange(lower, upper []byte) error
}

// Batch is a set of changes that become visible and durable together. What it reads includes its own changes.
type Batch interface {
	Reader
	Writer
}

// WriteBatch is a set of changes that is only written, which is cheaper than a [Batch].
type WriteBatch interface {
	Writer
	// Len is the size of the changes in bytes.
	Len() int
	// Commit makes the changes visible, and durable too when sync is set; then all batches committed earlier are
	// durable as well. The batch cannot be used again, only closed. After an error the outcome is unknown.
	Commit(sync bool) error
	// Close releases the batch. Changes that were not committed are dropped.
	Close() error
}

// IndexedBatch is a [Batch] that can be committed. It reads the newest state of the store under its own changes.
type IndexedBatch interface {
	Reader
	WriteBatch
}

// Snapshot is the state of a store at one moment. It must be closed.
type Snapshot interface {
	Reader
	Close() error
}

// Store is a whole ordered store: what [DB] and its in-memory twin have in common.
type Store interface {
	Reader
	Snapshot() Snapshot
	NewBatch() IndexedBatch
	NewWriteBatch() WriteBatch
}

// Iterator is a position among the keys of a range. Key and Value are valid until the next move.
type Iterator interface {
	First() bool
	Last() bool
	// SeekGE moves to the first key at or after key.
	SeekGE(key []byte) bool
	// SeekLT moves to the last key before key.
	SeekLT(key []byte) bool
	Next() bool
	Prev() bool
	Valid() bool
	Key() []byte
	Value() []byte
	// Error is the reason for which the walk ended early, nil at the natural end.
	// A walk whose Error was not looked at proves nothing.
	Error() error
	Close() error
}

// Space is a keyspace: the prefix that all its keys share.
type Space []byte

// GroupSpace is the keyspace of everything that belongs to one consensus group.
func GroupSpace(g id.Group) Space {
	return binary.BigEndian.AppendUint32([]byte{'g'}, uint32(g))
}

// NodeSpace is the keyspace of this node's own records.
func NodeSpace() Space { return Space{'n'} }

// Sub is the keyspace under one more byte.
func (s Space) Sub(table byte) Space { return s.Key([]byte{table}) }

// Key joins parts to a key of the space.
func (s Space) Key(parts ...[]byte) []byte {
	n := len(s)
	for _, p := range parts {
		n += len(p)
	}
	key := append(make([]byte, 0, n), s...)
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

// Bounds are the limits of the space for an iterator or a DeleteRange.
func (s Space) Bounds() (lower, upper []byte) { return s, PrefixEnd(s) }

// PrefixEnd is the first key after all keys with the prefix; nil when there is none.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
