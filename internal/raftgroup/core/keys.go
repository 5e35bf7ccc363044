package core

import (
	"encoding/binary"

	"grange/internal/id"
	"grange/internal/kv"
)

// The tables of a group's keyspace. The letters are stored and do not change.
const (
	tableApplied   = 'a'
	tableSession   = 'e'
	tableHardState = 'h'
	tableLog       = 'l'
	tableReplica   = 'm'
	tableResult    = 'r'
	tableState     = 's'
	tableTruncated = 't'
	tableTombstone = 'x'
)

// snapshotTables are the tables that make up the replicated state, in the order of their keys.
var snapshotTables = []byte{tableApplied, tableSession, tableResult, tableState}

// keys makes the keys of one group.
type keys struct{ space kv.Space }

func keysOf(g id.Group) keys { return keys{kv.GroupSpace(g)} }

func (k keys) applied() []byte { return k.space.Sub(tableApplied) }

func (k keys) hardState() []byte { return k.space.Sub(tableHardState) }

func (k keys) replica() []byte { return k.space.Sub(tableReplica) }

func (k keys) truncated() []byte { return k.space.Sub(tableTruncated) }

func (k keys) tombstone() []byte { return k.space.Sub(tableTombstone) }

func (k keys) entry(index uint64) []byte {
	return binary.BigEndian.AppendUint64(k.space.Sub(tableLog), index)
}

func (k keys) session(session uint64) []byte {
	return binary.BigEndian.AppendUint64(k.space.Sub(tableSession), session)
}

func (k keys) results(session uint64) kv.Space {
	return kv.Space(binary.BigEndian.AppendUint64(k.space.Sub(tableResult), session))
}

func (k keys) result(session, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(k.results(session), seq)
}

// StateSpace is the part of a group's keyspace that its state machine owns.
func StateSpace(g id.Group) kv.Space { return kv.GroupSpace(g).Sub(tableState) }

// lastNumber reads the 8 bytes at the end of a key.
func lastNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
