package index

import (
	"encoding/binary"
	"fmt"
	"time"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// Garbage is a block that no record names any more, and that is not doomed yet.
type Garbage struct {
	block.Address
	Size  int         // content, in bytes
	Fell  uint64      // the log index of the command that dropped the last reference
	Epoch block.Epoch // of the group at that moment
	Time  time.Time   // of that command, as its proposer saw it; zero when not known
}

// Garbage returns up to limit blocks of the garbage list after the given one, which is the zero Garbage at first: the ones that
// fell first come first.
func (v *View) Garbage(after Garbage, limit int) (out []Garbage, err error) {
	if limit <= 0 {
		return nil, nil
	}
	lower, upper := v.keys.table(tableGarbage)
	if after != (Garbage{}) {
		lower = append(v.keys.ofBlockAt(tableGarbage, after.Fell, after.Address), 0)
	}
	var m indexpb.Garbage
	err = v.walk(lower, upper, func(row, value []byte) (bool, error) {
		fell, a, err := parseAddressAt(v.keys.tail(row))
		if err != nil {
			return false, err
		}
		if err := decode(value, &m); err != nil {
			return false, err
		}
		out = append(out, Garbage{a, int(m.Size), fell, block.Epoch(m.Epoch), fromMillis(m.Time)})
		return len(out) < limit, nil
	})
	return out, err
}

// Doomed is a block whose copies are to be deleted from the disks.
type Doomed struct {
	block.Address
	Epoch block.Epoch // copies that were put with a lower one go
}

// Doomed returns up to limit doomed blocks after the given one, which is the zero Doomed at first, in order of their epochs.
// Those that were buried are not among them.
func (v *View) Doomed(after Doomed, limit int) (out []Doomed, err error) {
	if limit <= 0 {
		return nil, nil
	}
	lower, upper := v.keys.table(tableDoomed)
	if after != (Doomed{}) {
		lower = append(v.keys.ofBlockAt(tableDoomed, uint64(after.Epoch), after.Address), 0)
	}
	err = v.walk(lower, upper, func(row, _ []byte) (bool, error) {
		epoch, a, err := parseAddressAt(v.keys.tail(row))
		if err != nil {
			return false, err
		}
		out = append(out, Doomed{a, block.Epoch(epoch)})
		return len(out) < limit, nil
	})
	return out, err
}

// Referenced is a block that records name.
type Referenced struct {
	block.Address
	Size  int    // content, in bytes
	Count uint64 // extents that name it
}

// References is how many extents name the block: 0 for garbage and for a block that the index does not know.
func (v *View) References(a block.Address) (uint64, error) {
	ref, err := v.reference(a)
	return ref.GetCount(), err
}

// Known tells whether the index has anything to say of a block: a record names it, or did and its deletion is still to be decided or carried
// out. A block on a disk that is not known was never named, or is a copy that its burial overlooked.
func (v *View) Known(a block.Address) (bool, error) {
	ref, err := v.reference(a)
	return ref != nil && !ref.Buried, err
}

// EachReferenced calls f for the referenced blocks in order of (hash, bucket), from (including) on, until f returns false. A partition is
// a range of hashes, so this lists the blocks of a partition for repair, and all blocks for mark and sweep.
func (v *View) EachReferenced(from id.Hash, f func(Referenced) bool) error {
	_, upper := v.keys.table(tableRef)
	var m indexpb.Reference
	return v.walk(append(v.keys.row(tableRef, hashLen), from[:]...), upper, func(row, value []byte) (bool, error) {
		a, err := parseAddress(v.keys.tail(row))
		if err != nil {
			return false, err
		}
		if err := decode(value, &m); err != nil {
			return false, fmt.Errorf("reference of %s: %w", a.Hash, err)
		}
		return m.Count == 0 || f(Referenced{a, int(m.Size), m.Count}), nil
	})
}

// EachBucket calls f for the buckets that were ever written, sealed ones included, from (including) on, until f returns false.
func (v *View) EachBucket(from id.Bucket, f func(id.Bucket, BucketStats) bool) error {
	_, upper := v.keys.table(tableBucket)
	var m indexpb.Bucket
	return v.walk(v.keys.inBucket(tableBucket, from), upper, func(row, value []byte) (bool, error) {
		tail := v.keys.tail(row)
		if len(tail) != bucketLen {
			return false, fmt.Errorf("%w: bucket key of %d bytes", ErrCorrupt, len(tail))
		}
		if err := decode(value, &m); err != nil {
			return false, err
		}
		return f(id.Bucket(binary.BigEndian.Uint64(tail)), bucketStateOf(&m).BucketStats), nil
	})
}

// PartsPage is a part of a listing of an upload's parts, by number.
type PartsPage struct {
	Parts     []Part
	Truncated bool // there are more
}

// Parts returns up to limit parts of an upload in progress with numbers above after, and whether there are more. ErrNoUpload
// reports that the upload is not in progress.
func (v *View) Parts(b id.Bucket, key string, u id.Upload, after, limit int) (parts []Part, more bool, err error) {
	exists, err := v.read(v.keys.ofUpload(tableUpload, b, key, u), new(indexpb.Upload))
	if err != nil {
		return nil, false, err
	}
	if !exists {
		return nil, false, ErrNoUpload
	}
	if limit <= 0 || after >= PartNumberMax {
		return nil, false, nil
	}
	lower := v.keys.part(b, key, u, max(0, after)+1)
	upper := v.keys.part(b, key, u, PartNumberMax+1)
	err = v.walk(lower, upper, func(row, value []byte) (bool, error) {
		if more = len(parts) == limit; more {
			return false, nil
		}
		var m indexpb.Part
		if err := decode(value, &m); err != nil {
			return false, err
		}
		number := binary.BigEndian.Uint16(row[len(row)-numberLen:])
		parts = append(parts, partFromPB(int(number), &m))
		return true, nil
	})
	return parts, more, err
}
