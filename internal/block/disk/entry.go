package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"grange/internal/block"
	"grange/internal/id"
)

// smallRecordLength is what a touch or delete record takes in a segment, in bytes.
const smallRecordLength = (recordFixed + recordAlign - 1) / recordAlign * recordAlign

// pos is the place of a record within one disk. The zero pos is none: segments count from 1.
type pos struct {
	seg uint64
	off int64
}

// entry is what the records of one address add up to. It is the value in the index, and a pure function of the
// records in their order: see apply.
type entry struct {
	live   bool
	at     pos         // of the block record
	length int64       // of the block record in its segment, in bytes
	size   uint32      // plain content, in bytes
	epoch  block.Epoch // the highest that the copy was put with
	touch  pos         // of the touch record that says so, if the block record does not

	tomb   pos // of the delete record that keeps older block records dead; only while not live
	doomed block.Epoch

	dead []uint64 // segments with older block records of the address, ascending
}

// clone is a copy that shares nothing.
func (e entry) clone() entry {
	e.dead = slices.Clone(e.dead)
	return e
}

// needed tells whether the index must keep the entry.
func (e *entry) needed() bool { return e.live || len(e.dead) > 0 }

// apply changes the entry by one more record. It is the meaning of the format: appending and re-reading both use it.
// A record that changes nothing is garbage from the start.
func (e *entry) apply(h *header, at pos) {
	switch h.kind {
	case KindBlock:
		if e.live {
			e.bury(e.at.seg)
		}
		*e = entry{live: true, at: at, length: h.length(), size: h.size, epoch: h.epoch, dead: e.dead}
	case KindTouch:
		// An equal epoch is a copy of the touch record that compaction made.
		if e.live && (h.epoch > e.epoch || e.touch != (pos{}) && h.epoch == e.epoch) {
			e.epoch, e.touch = h.epoch, at
		}
	case KindDelete:
		switch {
		case e.live && e.epoch < h.epoch:
			e.bury(e.at.seg)
			*e = entry{tomb: at, doomed: h.epoch, dead: e.dead}
		case !e.live && len(e.dead) > 0:
			e.tomb, e.doomed = at, h.epoch // a copy that compaction made
		}
	}
}

func (e *entry) bury(seg uint64) {
	if i, found := slices.BinarySearch(e.dead, seg); !found {
		e.dead = slices.Insert(e.dead, i, seg)
	}
}

// keepDead drops the dead records in segments that exist no more.
func (e *entry) keepDead(exists func(seg uint64) bool) {
	e.dead = slices.DeleteFunc(e.dead, func(seg uint64) bool { return !exists(seg) })
	if !e.live && len(e.dead) == 0 {
		*e = entry{}
	}
}

// refs calls f for each record that the entry needs, with the bytes that it takes.
func (e *entry) refs(f func(seg uint64, n int64)) {
	if e.live {
		f(e.at.seg, e.length)
	}
	if e.touch != (pos{}) {
		f(e.touch.seg, smallRecordLength)
	}
	if e.tomb != (pos{}) {
		f(e.tomb.seg, smallRecordLength)
	}
}

func (e *entry) info(addr block.Address) block.Info {
	return block.Info{Address: addr, Size: int(e.size), StoredSize: e.length, Epoch: e.epoch}
}

// The stored form of an entry: a version byte, a byte of flags, then numbers as uvarints.
const (
	entryVersion = 1

	entryLive  = 1 << 0
	entryTouch = 1 << 1
	entryTomb  = 1 << 2
)

// errBadEntry reports an index value that this program would not have written: the index must be rebuilt.
var errBadEntry = errors.New("index entry is damaged")

func (e *entry) append(dst []byte) []byte {
	flags := byte(0)
	if e.live {
		flags |= entryLive
	}
	if e.touch != (pos{}) {
		flags |= entryTouch
	}
	if e.tomb != (pos{}) {
		flags |= entryTomb
	}
	dst = append(dst, entryVersion, flags)
	put := func(n uint64) { dst = binary.AppendUvarint(dst, n) }
	if e.live {
		put(e.at.seg)
		put(uint64(e.at.off))
		put(uint64(e.length))
		put(uint64(e.size))
		put(uint64(e.epoch))
	}
	if e.touch != (pos{}) {
		put(e.touch.seg)
		put(uint64(e.touch.off))
	}
	if e.tomb != (pos{}) {
		put(e.tomb.seg)
		put(uint64(e.tomb.off))
		put(uint64(e.doomed))
	}
	put(uint64(len(e.dead)))
	for _, seg := range e.dead {
		put(seg)
	}
	return dst
}

func decodeEntry(v []byte) (e entry, err error) {
	if len(v) < 2 || v[0] != entryVersion || v[1]&^(entryLive|entryTouch|entryTomb) != 0 {
		return entry{}, errBadEntry
	}
	r := uvarints{rest: v[2:]}
	if v[1]&entryLive != 0 {
		e.live = true
		e.at = pos{r.next(), int64(r.next())}
		e.length, e.size, e.epoch = int64(r.next()), uint32(r.next()), block.Epoch(r.next())
	}
	if v[1]&entryTouch != 0 {
		e.touch = pos{r.next(), int64(r.next())}
	}
	if v[1]&entryTomb != 0 {
		e.tomb = pos{r.next(), int64(r.next())}
		e.doomed = block.Epoch(r.next())
	}
	for n := r.next(); n > 0 && !r.bad; n-- {
		e.dead = append(e.dead, r.next())
	}
	if r.bad || len(r.rest) > 0 || e.size > block.SizeMax || e.invalid(v[1]) {
		return entry{}, errBadEntry
	}
	return e, nil
}

// invalid tells that a part whose flag is set says nothing.
func (e *entry) invalid(flags byte) bool {
	return flags&entryLive != 0 && e.at.seg == 0 || flags&entryTouch != 0 && e.touch.seg == 0 ||
		flags&entryTomb != 0 && e.tomb.seg == 0
}

// uvarints reads numbers with a sticky error.
type uvarints struct {
	rest []byte
	bad  bool
}

func (r *uvarints) next() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Keys of the index. Blocks are in the order of (hash, bucket), which is the order of Each.
const (
	keyBlock   = 'b'
	keySegment = 's'
	keyDisk    = 'd'

	blockKeySize = 1 + len(id.Hash{}) + 8
)

func blockKey(a block.Address) []byte {
	k := make([]byte, 1, blockKeySize)
	k[0] = keyBlock
	k = append(k, a.Hash[:]...)
	return a.Bucket.AppendKey(k)
}

func parseBlockKey(k []byte) (a block.Address, err error) {
	if len(k) != blockKeySize || k[0] != keyBlock {
		return a, fmt.Errorf("%w: key %x", errBadEntry, k)
	}
	copy(a.Hash[:], k[1:])
	a.Bucket = id.Bucket(binary.BigEndian.Uint64(k[1+len(a.Hash):]))
	return a, nil
}

func segmentKey(seg uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keySegment}, seg)
}

// segmentState is what the index knows of a segment; it changes in the same batch as the entries.
type segmentState struct {
	end    int64 // the index covers the records before this offset
	live   int64 // bytes of records that entries need
	sealed bool  // nothing is appended any more, and nothing after end counts
}

func (s segmentState) append(dst []byte) []byte {
	sealed := byte(0)
	if s.sealed {
		sealed = 1
	}
	dst = append(dst, entryVersion, sealed)
	dst = binary.AppendUvarint(dst, uint64(s.end))
	return binary.AppendUvarint(dst, uint64(s.live))
}

func decodeSegmentState(v []byte) (segmentState, error) {
	if len(v) < 2 || v[0] != entryVersion || v[1] > 1 {
		return segmentState{}, errBadEntry
	}
	r := uvarints{rest: v[2:]}
	s := segmentState{sealed: v[1] == 1, end: int64(r.next()), live: int64(r.next())}
	if r.bad || len(r.rest) > 0 {
		return segmentState{}, errBadEntry
	}
	return s, nil
}

// String is the form that inspectors and tests show.
func (e *entry) String() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if e.live {
		add("live at %d/%d, epoch %d", e.at.seg, e.at.off, e.epoch)
	}
	if e.touch != (pos{}) {
		add("touched at %d/%d", e.touch.seg, e.touch.off)
	}
	if e.tomb != (pos{}) {
		add("deleted at %d/%d, doomed %d", e.tomb.seg, e.tomb.off, e.doomed)
	}
	if len(e.dead) > 0 {
		add("dead in %d", e.dead)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
