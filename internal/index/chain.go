package index

import (
	"encoding/binary"

	"grange/internal/index/indexpb"
)

// chain is the versions of one key, while a command changes them.
//
// Invariants between commands: the head is the newest version and no delete marker; without a head the newest of the others is a
// delete marker, or there are none; at most one version is null, and when it is not the head, tableNull tells its place.
type chain struct {
	*change
	key  string
	head *indexpb.Record // nil when there is none
}

func (c *change) chain(key []byte) (*chain, error) {
	ch := &chain{change: c, key: string(key)}
	var err error
	ch.head, err = c.rows.head(c.bucket, ch.key)
	return ch, err
}

// hasOthers tells whether the key can have versions besides its head. In a bucket without versioning none has, and that is known
// without looking.
func (ch *chain) hasOthers() bool { return ch.state.Versions > ch.state.Objects }

// null is the null version, nil when there is none.
func (ch *chain) null() (*indexpb.Record, error) {
	if ch.head != nil && ch.head.Null {
		return ch.head, nil
	}
	if !ch.hasOthers() {
		return nil, nil
	}
	seq, err := ch.nullSeq(ch.bucket, ch.key)
	if err != nil || seq == 0 {
		return nil, err
	}
	return ch.record(ch.keys.version(ch.bucket, ch.key, seq))
}

// replaced is the version that a write of a new one removes, nil when there is none. It is never a locked one: those are in buckets with
// Object Lock, whose versioning stays Enabled.
func (ch *chain) replaced() (*indexpb.Record, error) {
	if ch.state.versioning == Enabled {
		return nil, nil
	}
	return ch.null()
}

// name gives a new version its place and its id.
func (ch *chain) name(rec *indexpb.Record, random uint64) {
	rec.Seq = ch.nextSeq()
	rec.Null = ch.state.versioning != Enabled
	rec.Random = random
	if rec.Null {
		rec.Random = 0
	}
}

// push writes the newest version of the key.
func (ch *chain) push(rec *indexpb.Record) error {
	if err := ch.sink(); err != nil {
		return err
	}
	ch.state.Versions++
	ch.state.Bytes += rec.Size
	if rec.DeleteMarker {
		return ch.writeOther(rec)
	}
	return ch.writeHead(rec)
}

// sink moves the head to the other versions.
func (ch *chain) sink() error {
	old := ch.head
	if old == nil {
		return nil
	}
	if err := ch.dropHead(); err != nil {
		return err
	}
	return ch.writeOther(old)
}

// remove drops a version that the key has, with its content, and makes the next one the head if the head is gone.
func (ch *chain) remove(rec *indexpb.Record) error {
	var err error
	if ch.head != nil && ch.head.Seq == rec.Seq {
		err = ch.dropHead()
	} else {
		err = ch.dropOther(rec)
	}
	if err != nil {
		return err
	}
	ch.state.Versions--
	ch.state.Bytes -= rec.Size
	if err := ch.dropContent(ch.key, rec); err != nil {
		return err
	}
	return ch.promote()
}

// promote makes the newest of the others the head, unless there is a head or the newest is a delete marker.
func (ch *chain) promote() error {
	if ch.head != nil || !ch.hasOthers() {
		return nil
	}
	next, err := ch.firstOther(ch.bucket, ch.key)
	if err != nil || next == nil || next.DeleteMarker {
		return err
	}
	if err := ch.dropOther(next); err != nil {
		return err
	}
	return ch.writeHead(next)
}

func (ch *chain) writeHead(rec *indexpb.Record) error {
	ch.head = rec
	ch.state.Objects++
	return ch.set(ch.keys.ofKey(tableHead, ch.bucket, ch.key), rec)
}

func (ch *chain) dropHead() error {
	ch.head = nil
	ch.state.Objects--
	return ch.batch.Delete(ch.keys.ofKey(tableHead, ch.bucket, ch.key))
}

func (ch *chain) writeOther(rec *indexpb.Record) error {
	if rec.Null {
		row := binary.BigEndian.AppendUint64([]byte{format}, rec.Seq)
		if err := ch.batch.Set(ch.keys.ofKey(tableNull, ch.bucket, ch.key), row); err != nil {
			return err
		}
	}
	return ch.set(ch.keys.version(ch.bucket, ch.key, rec.Seq), rec)
}

func (ch *chain) dropOther(rec *indexpb.Record) error {
	if rec.Null {
		if err := ch.batch.Delete(ch.keys.ofKey(tableNull, ch.bucket, ch.key)); err != nil {
			return err
		}
	}
	return ch.batch.Delete(ch.keys.version(ch.bucket, ch.key, rec.Seq))
}

// dropContent drops the content of a version: at once when it is small, else by way of the release queue.
func (c *change) dropContent(key string, rec *indexpb.Record) error {
	if rec.DeleteMarker {
		return nil
	}
	row := c.keys.payload(c.bucket, key, rec.Seq)
	if rec.Parts > 0 {
		if err := c.batch.Delete(row); err != nil {
			return err
		}
		return c.enqueue(&indexpb.Release{
			Kind: indexpb.Release_UPLOAD, Bucket: uint64(c.bucket), Key: []byte(key), Upload: rec.Upload,
		})
	}
	return c.dropPayload(row, rec.Extents, &indexpb.Release{
		Kind: indexpb.Release_VERSION, Bucket: uint64(c.bucket), Key: []byte(key), Seq: rec.Seq,
	})
}

// dropPayload drops a payload row with so many extents, or puts it on the release queue when the command did enough.
func (c *change) dropPayload(row []byte, extents uint32, later *indexpb.Release) error {
	switch {
	case extents == 0:
		return c.batch.Delete(row)
	case int(extents) <= c.budget:
		c.budget -= int(extents)
		_, _, err := c.releasePayload(row, int(extents))
		return err
	default:
		return c.enqueue(later)
	}
}
