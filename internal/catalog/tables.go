package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
	"grange/internal/kv"
)

// The tables: the byte after the state space of the system group. docs/formats/catalog.md draws their keys.
const (
	tableCluster        = 'c' // -> Cluster
	tableCounters       = 'x' // which -> Counter
	tableNodes          = 'n' // node -> Node
	tableGroups         = 'g' // group -> Group
	tableLoads          = 'l' // -> Loads
	tableLayouts        = 'y' // epoch -> Layout
	tableAccounts       = 'a' // account -> Account
	tableAccountNames   = 'A' // name -> Reference
	tableKeys           = 'k' // key -> AccessKey
	tableAccountKeys    = 'K' // account, key -> Reference
	tableBuckets        = 'b' // bucket -> Bucket
	tableBucketNames    = 'B' // name -> Reference
	tableAccountBuckets = 'o' // account, name -> Reference
	tableDocuments      = 'd' // bucket, name -> Document
	tableDeleting       = 'D' // bucket -> Reference
	tableKeyGrants      = 'r' // key, 0, bucket -> Reference: a grant of a bucket of another account
	tableBucketScopes   = 'q' // bucket, key -> Reference: a scope that names the bucket
	tableEnsured        = 'e' // key, 0, bucket name -> Reference: what Ensure made once
	tableSettings       = 's' // name -> Setting
)

const (
	counterBucket   = 'b' // the highest bucket number ever given
	counterRevision = 'r' // the log index of the last command that changed anything
)

// state reads the tables. It is what Machine and View share.
type state struct {
	space kv.Space
	r     kv.Reader
}

func (s state) key(table byte, parts ...[]byte) []byte { return s.space.Sub(table).Key(parts...) }

func (s state) nodeKey(n id.Node) []byte       { return s.key(tableNodes, n[:]) }
func (s state) groupKey(g id.Group) []byte     { return s.key(tableGroups, groupBytes(g)) }
func (s state) layoutKey(epoch uint64) []byte  { return s.key(tableLayouts, number(epoch)) }
func (s state) accountKey(a id.Account) []byte { return s.key(tableAccounts, a[:]) }
func (s state) keyKey(keyID string) []byte     { return s.key(tableKeys, []byte(keyID)) }
func (s state) bucketKey(b id.Bucket) []byte   { return s.key(tableBuckets, number(uint64(b))) }
func (s state) deletingKey(b id.Bucket) []byte { return s.key(tableDeleting, number(uint64(b))) }
func (s state) settingKey(name string) []byte  { return s.key(tableSettings, []byte(name)) }
func (s state) counterKey(which byte) []byte   { return s.key(tableCounters, []byte{which}) }

func (s state) accountNameKey(name string) []byte { return s.key(tableAccountNames, []byte(name)) }
func (s state) bucketNameKey(name string) []byte  { return s.key(tableBucketNames, []byte(name)) }

func (s state) accountKeyKey(a id.Account, keyID string) []byte {
	return s.key(tableAccountKeys, a[:], []byte(keyID))
}

func (s state) accountBucketKey(a id.Account, name string) []byte {
	return s.key(tableAccountBuckets, a[:], []byte(name))
}

func (s state) documentKey(b id.Bucket, name string) []byte {
	return s.key(tableDocuments, number(uint64(b)), []byte(name))
}

func (s state) keyGrantKey(keyID string, b id.Bucket) []byte {
	return s.key(tableKeyGrants, []byte(keyID), []byte{0}, number(uint64(b)))
}

func (s state) bucketScopeKey(b id.Bucket, keyID string) []byte {
	return s.key(tableBucketScopes, number(uint64(b)), []byte(keyID))
}

func (s state) ensuredKey(keyID, bucket string) []byte {
	return s.key(tableEnsured, []byte(keyID), []byte{0}, []byte(bucket))
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func groupBytes(g id.Group) []byte { return binary.BigEndian.AppendUint32(nil, uint32(g)) }

// record is what every stored message is.
type record interface {
	proto.Message
	GetVersion() uint32
}

// recordVersion is the version of all records and commands that this program writes, and the newest that it reads.
const recordVersion = 1

// decode reads the bytes of a record or a command into m.
func decode(raw []byte, m record) error {
	if err := proto.Unmarshal(raw, m); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, m.ProtoReflect().Descriptor().Name(), err)
	}
	switch v := m.GetVersion(); {
	case v > recordVersion:
		return fmt.Errorf("%w: %s has version %d, this program knows %d", ErrNewer, m.ProtoReflect().Descriptor().Name(), v, recordVersion)
	case v == 0:
		return fmt.Errorf("%w: %s has no version", ErrCorrupt, m.ProtoReflect().Descriptor().Name())
	}
	return nil
}

// encode is the byte form of m, which carries its version. It panics on text that is not UTF-8, which the checks of
// names do not let through.
func encode(m record) []byte {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("catalog: encode %s: %v", m.ProtoReflect().Descriptor().Name(), err))
	}
	return raw
}

// get reads the record at key into m, and tells whether there is one.
func (s state) get(key []byte, m record) (bool, error) {
	raw, err := s.r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read catalog record %q: %w", key, err)
	}
	if err := decode(raw, m); err != nil {
		return false, fmt.Errorf("read catalog record %q: %w", key, err)
	}
	return true, nil
}

func (s state) has(key []byte) (bool, error) { return s.get(key, new(catalogpb.Reference)) }

func (s state) counter(key []byte) (uint64, error) {
	var m catalogpb.Counter
	_, err := s.get(key, &m)
	return m.GetValue(), err
}

// walk calls visit with the records of a table, or of a part of it: base is what all their keys begin with. name is
// the rest of the key; of the names, those that begin with prefix and come after after are visited, in byte order,
// until visit returns false.
func (s state) walk(base []byte, prefix, after string, visit func(name string, value []byte) (bool, error)) (err error) {
	lower := slices.Concat(base, []byte(prefix))
	upper := kv.PrefixEnd(lower)
	if after != "" {
		lower = slices.MaxFunc([][]byte{lower, slices.Concat(base, []byte(after), []byte{0})}, bytes.Compare)
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil
	}
	it, err := s.r.NewIter(lower, upper)
	if err != nil {
		return fmt.Errorf("walk catalog records %q: %w", lower, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if more, err := visit(string(it.Key()[len(base):]), it.Value()); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// count counts the records under base, up to limit.
func (s state) count(base []byte, limit int) (n int, err error) {
	err = s.walk(base, "", "", func(string, []byte) (bool, error) {
		n++
		return n < limit, nil
	})
	return n, err
}

// names lists the keys, cut behind base, of up to limit records under base.
func (s state) names(base []byte, limit int) (names []string, err error) {
	err = s.walk(base, "", "", func(name string, _ []byte) (bool, error) {
		names = append(names, name)
		return len(names) < limit, nil
	})
	return names, err
}
