package disk

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
)

const (
	cachedHeaders = 1024 // headers in memory per directory, some 300 bytes each for blocks of 1 MiB
	readRetries   = 100  // times that a segment may be removed under one read
)

// headerCache keeps headers of blocks that were read lately: a slot per hash of the position, the newest wins.
type headerCache [cachedHeaders]atomic.Pointer[cachedHeader]

type cachedHeader struct {
	at pos
	*header
}

func (c *headerCache) slot(at pos) *atomic.Pointer[cachedHeader] {
	return &c[(uint64(at.off)/recordAlign*0x9e3779b97f4a7c15+at.seg)>>16%cachedHeaders]
}

func (c *headerCache) get(at pos) *header {
	if h := c.slot(at).Load(); h != nil && h.at == at {
		return h.header
	}
	return nil
}

func (c *headerCache) put(at pos, h *header) { c.slot(at).Store(&cachedHeader{at, h}) }

// lookup returns the entry of an address that has a copy here, or false.
func (d *dir) lookup(addr block.Address) (entry, bool, error) {
	e, err := d.index.get(addr)
	if err != nil {
		d.indexError(err)
		return entry{}, false, err
	}
	return e, e.live, nil
}

// indexError stops a directory whose index is damaged; the next start makes the index again.
func (d *dir) indexError(err error) {
	if d.failure() == nil && isIndexDamage(err) {
		d.fail(err)
		d.markRebuild()
	}
}

// readAt serves a range of the copy of addr. ok is false when there is none. A copy that does not match gives a
// CorruptError.
func (d *dir) readAt(addr block.Address, dst []byte, off int64) (n int, ok bool, err error) {
	return d.readWhere(d.lookup, addr, dst, off)
}

// readWhere is readAt with the places that look says.
func (d *dir) readWhere(
	look func(block.Address) (entry, bool, error), addr block.Address, dst []byte, off int64,
) (n int, ok bool, err error) {
	for range readRetries {
		e, live, err := look(addr)
		if err != nil || !live {
			return 0, false, err
		}
		n, err := d.readEntry(addr, &e, dst, off)
		if errors.Is(err, errSegmentGone) {
			continue // the copy was moved or deleted since the look-up
		}
		return n, true, err
	}
	return 0, false, fmt.Errorf("read block %s: %w", addr.Hash, errSegmentGone)
}

func (d *dir) readEntry(addr block.Address, e *entry, dst []byte, off int64) (int, error) {
	if off >= int64(e.size) {
		return 0, nil
	}
	seg, f, err := d.acquire(e.at.seg)
	if errors.Is(err, errSegmentGone) {
		return 0, err
	}
	if err != nil {
		return 0, d.corrupt(addr, e.at, err)
	}
	defer d.release(seg)
	h, err := d.header(f, addr, e)
	if err != nil {
		return 0, d.corrupt(addr, e.at, err)
	}
	dst = dst[:min(int64(len(dst)), int64(e.size)-off)]
	if err := readRange(f, h, e.at.off, dst, off); err != nil {
		return 0, d.corrupt(addr, e.at, err)
	}
	return len(dst), nil
}

// header reads and checks the header of a block record.
func (d *dir) header(f vfs.File, addr block.Address, e *entry) (*header, error) {
	if h := d.headers.get(e.at); h != nil {
		return h, nil
	}
	buf := chunkPool.Get().(*[chunkSize]byte)
	defer chunkPool.Put(buf)
	head := buf[:headerSize(e.size)]
	if err := readFull(f, head, e.at.off); err != nil {
		return nil, err
	}
	h, err := decodeHeader(head, place{d.disk.ID, e.at.seg, e.at.off})
	if err != nil {
		return nil, err
	}
	if h.kind != KindBlock || h.addr != addr || h.size != e.size {
		return nil, fmt.Errorf("%w: the record is of another block", errBadRecord)
	}
	d.headers.put(e.at, h)
	return h, nil
}

// readRange fills dst with the content from off on, all of which exists. It reads only the chunks that the range
// touches, and checks each before it is used.
func readRange(f vfs.File, h *header, record int64, dst []byte, off int64) error {
	first := int(off >> chunkShift)
	from := record + headerSize(h.size)
	for _, c := range h.chunks[:first] {
		from += int64(c.stored)
	}
	skip := int(off) & (chunkSize - 1)
	for i := first; len(dst) > 0; {
		if run := plainRun(h, i, skip, len(dst)); run > 0 {
			n, err := readRun(f, h, i, run, dst, from)
			if err != nil {
				return err
			}
			i, from, dst = i+run, from+int64(n), dst[n:]
			continue
		}
		n, err := readPiece(f, h, i, from, dst, skip)
		if err != nil {
			return err
		}
		from, dst, skip = from+int64(h.chunks[i].stored), dst[n:], 0
		i++
	}
	return nil
}

// plainRun counts the chunks from i on that are stored as they are and wanted whole.
func plainRun(h *header, i, skip, want int) (run int) {
	if skip > 0 {
		return 0
	}
	for ; i < len(h.chunks) && h.chunks[i].codec == CodecNone && int(h.chunks[i].stored) <= want; i++ {
		want -= int(h.chunks[i].stored)
		run++
	}
	return run
}

// readRun reads chunks that are stored as they are straight to where they are wanted.
func readRun(f vfs.File, h *header, i, run int, dst []byte, from int64) (n int, err error) {
	for _, c := range h.chunks[i : i+run] {
		n += int(c.stored)
	}
	if err := readFull(f, dst[:n], from); err != nil {
		return 0, err
	}
	for j, at := i, 0; j < i+run; j++ {
		end := at + int(h.chunks[j].stored)
		if xxhash.Sum64(dst[at:end]) != h.chunks[j].sum {
			return 0, fmt.Errorf("%w: checksum of chunk %d differs", errBadRecord, j)
		}
		at = end
	}
	return n, nil
}

// readPiece reads one chunk by way of a pooled buffer and copies what is wanted of it. The buffers do not leave it.
func readPiece(f vfs.File, h *header, i int, from int64, dst []byte, skip int) (int, error) {
	c := h.chunks[i]
	buf := chunkPool.Get().(*[chunkSize]byte)
	defer chunkPool.Put(buf)
	stored := buf[:c.stored]
	if err := readFull(f, stored, from); err != nil {
		return 0, err
	}
	if xxhash.Sum64(stored) != c.sum {
		return 0, fmt.Errorf("%w: checksum of chunk %d differs", errBadRecord, i)
	}
	size := plainLen(h.size, i)
	if c.codec == CodecNone {
		return copy(dst, stored[skip:]), nil
	}
	if skip == 0 && len(dst) >= size {
		return size, unpack(dst[:size], c, stored)
	}
	plain := chunkPool.Get().(*[chunkSize]byte)
	defer chunkPool.Put(plain)
	if err := unpack(plain[:size], c, stored); err != nil {
		return 0, err
	}
	return copy(dst, plain[skip:size]), nil
}
