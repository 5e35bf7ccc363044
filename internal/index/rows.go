package index

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// rows reads single rows of the group's state. It is what commands and views have in common.
type rows struct {
	keys   keyspace
	reader kv.Reader
}

// read decodes the row into m and reports whether there is one.
func (r rows) read(key []byte, m proto.Message) (bool, error) {
	raw, err := r.reader.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := decode(raw, m); err != nil {
		return false, fmt.Errorf("row %x: %w", key, err)
	}
	return true, nil
}

func (r rows) readGroup() (groupState, error) {
	var m indexpb.Machine
	_, err := r.read(r.keys.machine(), &m)
	return groupState{m.Epoch, m.Floor, m.Releases, m.Released, m.Forgot}, err
}

func (r rows) readBucket(b id.Bucket) (bucketState, error) {
	var m indexpb.Bucket
	_, err := r.read(r.keys.inBucket(tableBucket, b), &m)
	return bucketStateOf(&m), err
}

func bucketStateOf(m *indexpb.Bucket) bucketState {
	return bucketState{seq: m.NextSeq, versioning: Versioning(m.Versioning), lock: lockRuleFromPB(m.Lock), BucketStats: BucketStats{
		Objects: m.Objects, Versions: m.Versions, Bytes: m.Bytes, Uploads: m.Uploads, UploadBytes: m.UploadBytes, Sealed: m.Sealed,
	}}
}

func bucketToPB(s bucketState) *indexpb.Bucket {
	return &indexpb.Bucket{
		NextSeq: s.seq, Objects: s.Objects, Versions: s.Versions, Bytes: s.Bytes, Uploads: s.Uploads, UploadBytes: s.UploadBytes,
		Sealed: s.Sealed, Versioning: uint32(s.versioning), Lock: lockRuleToPB(s.lock),
	}
}

// record returns the row of a version, nil when there is none.
func (r rows) record(key []byte) (*indexpb.Record, error) {
	m := new(indexpb.Record)
	found, err := r.read(key, m)
	if !found {
		return nil, err
	}
	return m, err
}

func (r rows) head(b id.Bucket, key string) (*indexpb.Record, error) {
	return r.record(r.keys.ofKey(tableHead, b, key))
}

// nullSeq is the place of the null version while it is not the head, 0 when there is none.
func (r rows) nullSeq(b id.Bucket, key string) (uint64, error) {
	raw, err := r.reader.Get(r.keys.ofKey(tableNull, b, key))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(raw) != 1+seqLen || raw[0] != format {
		return 0, fmt.Errorf("%w: null version of %d bytes", ErrCorrupt, len(raw))
	}
	return binary.BigEndian.Uint64(raw[1:]), nil
}

// firstOther is the newest version of the key among those that are not its head, nil when there is none.
func (r rows) firstOther(b id.Bucket, key string) (rec *indexpb.Record, err error) {
	prefix := r.keys.ofKey(tableVersion, b, key)
	err = r.walk(prefix, kv.PrefixEnd(prefix), func(_, value []byte) (bool, error) {
		rec = new(indexpb.Record)
		return false, decode(value, rec)
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// otherByID finds a version that is not the head, nil when there is none.
func (r rows) otherByID(b id.Bucket, key string, v id.Version) (*indexpb.Record, error) {
	seq := v.Seq()
	if v.IsNull() {
		var err error
		if seq, err = r.nullSeq(b, key); err != nil || seq == 0 {
			return nil, err
		}
	}
	rec, err := r.record(r.keys.version(b, key, seq))
	if err != nil || rec == nil || recordID(rec) != v {
		return nil, err
	}
	return rec, nil
}

// reference is what is known of a block, nil when it is neither named nor garbage nor doomed.
func (r rows) reference(a block.Address) (*indexpb.Reference, error) {
	m := new(indexpb.Reference)
	found, err := r.read(r.keys.reference(a), m)
	if !found {
		return nil, err
	}
	return m, err
}

// walk calls f for the rows in [lower, upper) until it returns false or an error. What f gets is valid until it returns.
func (r rows) walk(lower, upper []byte, f func(key, value []byte) (more bool, err error)) (err error) {
	it, err := r.reader.NewIter(lower, upper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if more, err := f(it.Key(), it.Value()); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// set writes a row.
func (c *change) set(key []byte, m proto.Message) error { return c.batch.Set(key, encode(m)) }
