package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
)

// enqueue puts content that no record names any more on the release queue.
func (c *change) enqueue(entry *indexpb.Release) error {
	row := c.keys.release(c.index, c.queued)
	c.queued++
	c.group.releases++
	return c.set(row, entry)
}

// release works off the queue, oldest first, until Max references were dropped. Every row that it touches counts as one at least, so that
// its work is bounded.
func (c *change) release(p *indexpb.ReleaseSome) (*indexpb.Result, error) {
	c.now = p.GetTime()
	left := int(min(p.GetMax(), ReleaseMax))
	entries, err := c.oldestReleases(left)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		work, done, err := c.releaseEntry(&e.Release, left)
		if err != nil {
			return nil, err
		}
		if done {
			c.group.releases--
			c.group.released = e.index
			if err := c.batch.Delete(c.keys.release(e.index, e.place)); err != nil {
				return nil, err
			}
		}
		if left -= max(1, work); left <= 0 {
			break
		}
	}
	return accept(), nil
}

// queueEntry is a row of the release queue.
type queueEntry struct {
	indexpb.Release
	index uint64 // of the command that queued it
	place uint32 // among those that the command queued
}

// oldestReleases reads the front of the queue. It begins where the last one ended, not to step over all that was deleted since.
func (c *change) oldestReleases(limit int) (entries []*queueEntry, err error) {
	_, upper := c.keys.table(tableRelease)
	err = c.walk(c.keys.release(c.group.released, 0), upper, func(row, value []byte) (bool, error) {
		if len(entries) >= limit {
			return false, nil
		}
		at := c.keys.tail(row)
		if len(at) != seqLen+4 {
			return false, fmt.Errorf("%w: queue key of %d bytes", ErrCorrupt, len(at))
		}
		e := &queueEntry{index: binary.BigEndian.Uint64(at), place: binary.BigEndian.Uint32(at[seqLen:])}
		entries = append(entries, e)
		return true, decode(value, &e.Release)
	})
	return entries, err
}

// releaseEntry drops content of the entry, up to limit references, and reports whether the entry is finished. There may be nothing left: a part
// that was replaced goes also with its upload.
func (c *change) releaseEntry(p *indexpb.Release, limit int) (work int, done bool, err error) {
	c.bucket = id.Bucket(p.GetBucket())
	prefix, err := c.released(p)
	if err != nil {
		return 0, false, err
	}
	rows, err := c.payloadRows(prefix, limit+1) // each is work: all of them are not done before the limit unless they are all there are
	if err != nil {
		return 0, false, err
	}
	for _, row := range rows {
		if work >= limit {
			return work, false, nil
		}
		dropped, rest, err := c.releasePayload(row, limit-work)
		if work += max(1, dropped); rest || err != nil {
			return work, false, err
		}
	}
	return work, true, nil
}

// released is the prefix of the payload rows that a queue entry means.
func (c *change) released(p *indexpb.Release) ([]byte, error) {
	key := string(p.GetKey())
	var upload id.Upload
	if err := fill(upload[:], p.GetUpload()); err != nil {
		return nil, err
	}
	switch p.GetKind() {
	case indexpb.Release_VERSION:
		return c.keys.payload(c.bucket, key, p.GetSeq()), nil
	case indexpb.Release_PART:
		return c.keys.partData(c.bucket, key, upload, int(p.GetNumber()), p.GetSeq()), nil
	case indexpb.Release_UPLOAD:
		return c.keys.ofUpload(tablePartData, c.bucket, key, upload), nil
	case indexpb.Release_BUCKET:
		return c.keys.inBucket(tablePartData, c.bucket), nil
	default:
		return nil, fmt.Errorf("%w: release of kind %s", ErrFormat, p.GetKind())
	}
}

// payloadRows are the keys of the first payload rows with the prefix.
func (c *change) payloadRows(prefix []byte, limit int) (keys [][]byte, err error) {
	err = c.walk(prefix, kv.PrefixEnd(prefix), func(key, _ []byte) (bool, error) {
		keys = append(keys, bytes.Clone(key))
		return len(keys) < limit, nil
	})
	return keys, err
}

// releasePayload drops up to limit extents of a payload row of the command's bucket. What is left is written back, so that at any moment
// the counts are those of the stored rows.
func (c *change) releasePayload(row []byte, limit int) (dropped int, rest bool, err error) {
	var stored indexpb.Payload
	found, err := c.read(row, &stored)
	if err != nil {
		return 0, false, err
	}
	if !found {
		return 0, false, fmt.Errorf("%w: no payload at %x", ErrCorrupt, row)
	}
	payload, err := payloadFromPB(&stored)
	if err != nil {
		return 0, false, err
	}
	n := min(limit, len(payload.Extents))
	if err := c.dropReferences(c.bucket, payload.Extents[:n]); err != nil {
		return 0, false, err
	}
	if n == len(payload.Extents) {
		return n, false, c.batch.Delete(row)
	}
	return n, true, c.set(row, payloadToPB(&Payload{Extents: payload.Extents[n:]}))
}
