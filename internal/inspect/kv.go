package inspect

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// Keyspace is a part of the metadata whose keys share a prefix. Sizes are in bytes, before compression.
type Keyspace struct {
	Name       string `json:"name"`
	Prefix     string `json:"prefix"` // in hexadecimal
	Keys       int64  `json:"keys"`
	KeyBytes   int64  `json:"key_bytes"`
	ValueBytes int64  `json:"value_bytes"`
}

// groupTables are the tables of every group: see docs/formats for package raftgroup.
var groupTables = map[byte]string{
	'a': "applied", 'e': "sessions", 'h': "hard state", 'l': "log", 'm': "replica", 'r': "results", 's': "state",
	't': "truncated", 'x': "tombstone",
}

// indexTables are the tables of an index group's state: see docs/formats/index.md.
var indexTables = map[byte]string{
	'm': "machine", 'b': "buckets", 'h': "heads", 'v': "versions", 'n': "null versions", 'p': "payloads", 'u': "uploads",
	't': "parts", 'q': "part payloads", 'r': "references", 'g': "garbage", 'd': "dooms", 'e': "doomed", 'f': "buried",
	'x': "release queue",
}

// catalogTables are the tables of the system group's state: see docs/formats/catalog.md.
var catalogTables = map[byte]string{
	'c': "cluster", 'x': "counters", 'n': "nodes", 'g': "groups", 'l': "loads", 'y': "layouts", 'a': "accounts",
	'A': "account names", 'k': "keys", 'K': "keys by account", 'b': "buckets", 'B': "bucket names",
	'o': "buckets by account", 'd': "documents", 'D': "deleting", 'r': "grants by key", 'q': "scopes by bucket",
	'e': "made at first start", 's': "settings",
}

// place is where a key stands.
type place struct {
	name   string
	prefix []byte
	group  id.Group // 0: none
	state  bool     // in the state of the group's machine
}

// placeOf tells where a key stands.
func placeOf(key []byte) place {
	switch {
	case len(key) >= 6 && key[0] == 'g':
		return groupPlace(key)
	case len(key) >= 2 && key[0] == 'n':
		return place{name: fmt.Sprintf("node %q", key[1]), prefix: key[:2]}
	}
	return place{name: "unknown", prefix: key[:min(1, len(key))]}
}

func groupPlace(key []byte) place {
	g := id.Group(binary.BigEndian.Uint32(key[1:5]))
	p := place{name: fmt.Sprintf("group %d %s", g, tableName(groupTables, key[5])), prefix: key[:6], group: g}
	if key[5] != 's' || len(key) < 7 {
		return p
	}
	tables := indexTables
	if g == id.SystemGroup {
		tables = catalogTables
	}
	p.name, p.prefix, p.state = fmt.Sprintf("group %d state %s", g, tableName(tables, key[6])), key[:7], true
	return p
}

func tableName(names map[byte]string, table byte) string {
	if name := names[table]; name != "" {
		return name
	}
	return fmt.Sprintf("%q", table)
}

// Keyspaces counts all keys by keyspace, in the order of the keys. It reads all of the metadata.
func Keyspaces(r kv.Reader) (all []Keyspace, err error) {
	err = walk(r, nil, nil, func(key, value []byte) bool {
		p := placeOf(key)
		if n := len(all); n == 0 || all[n-1].Prefix != hex.EncodeToString(p.prefix) {
			all = append(all, Keyspace{Name: p.name, Prefix: hex.EncodeToString(p.prefix)})
		}
		k := &all[len(all)-1]
		k.Keys++
		k.KeyBytes += int64(len(key))
		k.ValueBytes += int64(len(value))
		return true
	})
	return all, err
}

// Row is one key of the metadata.
type Row struct {
	Keyspace string `json:"keyspace"`
	Key      string `json:"key"`   // quoted; without the keyspace's prefix
	Value    string `json:"value"` // described, where the format is known
	Size     int    `json:"size"`  // of the value, in bytes
}

// Rows walks the keys that begin with prefix, until f returns false.
func Rows(r kv.Reader, prefix []byte, f func(Row) bool) error {
	return walk(r, prefix, kv.PrefixEnd(prefix), func(key, value []byte) bool {
		p := placeOf(key)
		return f(Row{Keyspace: p.name, Key: fmt.Sprintf("%q", key[len(p.prefix):]), Value: describeRow(p, key, value), Size: len(value)})
	})
}

func walk(r kv.Reader, lower, upper []byte, f func(key, value []byte) bool) error {
	it, err := r.NewIter(lower, upper)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if !f(it.Key(), it.Value()) {
			break
		}
	}
	if err := it.Error(); err != nil {
		_ = it.Close()
		return err
	}
	return it.Close()
}

// describeRow writes a value for people. The tables of a group's log and results hold commands, and so secrets, in a
// form that only Log can mask.
func describeRow(p place, key, value []byte) string {
	switch {
	case p.group != 0 && !p.state:
		return fmt.Sprintf("(%d bytes)", len(value))
	case p.state && p.group == id.SystemGroup:
		return catalog.DescribeRecord(key[len(p.prefix)-1:], value)
	case p.state:
		return describeIndexRow(key[len(p.prefix)-1], value)
	}
	return describeBytes(value)
}

func describeIndexRow(table byte, value []byte) string {
	messages := map[byte]proto.Message{
		'm': new(indexpb.Machine), 'b': new(indexpb.Bucket), 'h': new(indexpb.Record), 'v': new(indexpb.Record),
		'p': new(indexpb.Payload), 'q': new(indexpb.Payload), 'u': new(indexpb.Upload), 't': new(indexpb.Part),
		'r': new(indexpb.Reference), 'g': new(indexpb.Garbage), 'x': new(indexpb.Release),
	}
	if m := messages[table]; m != nil {
		return describeMessage(value, m)
	}
	return describeBytes(value)
}
