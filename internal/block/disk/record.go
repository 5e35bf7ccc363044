package disk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"grange/internal/block"
	"grange/internal/id"
)

// Sizes of the format; docs/formats/blocks.md draws them.
const (
	segmentMagic      = "GRNGSEG\n"
	segmentHeaderSize = 64
	segmentFormat     = 1

	recordMagic  = 0x63655247 // "GRec"
	recordFormat = 1
	recordFixed  = 72 // header without the chunk table, in bytes
	recordAlign  = 64 // every record starts at a multiple of this

	chunkShift     = 16
	chunkSize      = 1 << chunkShift // plain bytes of every chunk but the last
	chunkEntrySize = 12
	chunksMax      = block.SizeMax / chunkSize
	headerSizeMax  = recordFixed + chunksMax*chunkEntrySize
)

// errBadRecord reports bytes that are no valid record at their place.
var errBadRecord = errors.New("not a valid record")

// Kind says what a record does when the segments are read in order.
type Kind uint8

const (
	// KindBlock is a copy of a block with its content.
	KindBlock Kind = 1
	// KindTouch raises the epoch of the block that earlier records hold.
	KindTouch Kind = 2
	// KindDelete drops the block that earlier records hold, if its epoch is below the record's.
	KindDelete Kind = 3
)

// String is the name that inspectors print.
func (k Kind) String() string {
	switch k {
	case KindBlock:
		return "block"
	case KindTouch:
		return "touch"
	case KindDelete:
		return "delete"
	default:
		return fmt.Sprintf("kind-%d", uint8(k))
	}
}

// Codec says how the bytes of one chunk are stored.
type Codec uint8

const (
	// CodecNone stores a chunk as it is.
	CodecNone Codec = 0
	// CodecZstd stores a chunk as one Zstandard frame (RFC 8878).
	CodecZstd Codec = 1
)

// ID is the random identity of one data directory. It is part of every record's checksum, so it is shown to
// operators and never to clients: who does not know it cannot make content that passes for a record.
type ID [16]byte

// chunk describes one stored chunk.
type chunk struct {
	stored uint32 // bytes on disk
	codec  Codec
	sum    uint64 // xxhash64 of the stored bytes
}

// header is the part of a record in front of the content.
type header struct {
	kind   Kind
	addr   block.Address
	epoch  block.Epoch // of the copy; what a touch raises it to; the epoch at which a delete dooms
	size   uint32      // plain content, in bytes
	stored uint32      // all chunks on disk, in bytes
	chunks []chunk
}

// place is where a record stands: the checksum of its header depends on it.
type place struct {
	disk    ID
	segment uint64
	offset  int64
}

func chunkCount(size uint32) int { return int((uint64(size) + chunkSize - 1) >> chunkShift) }

// plainLen is the plain length of chunk i of a block of size bytes.
func plainLen(size uint32, i int) int { return min(chunkSize, int(size)-i<<chunkShift) }

func headerSize(size uint32) int64 { return recordFixed + int64(chunkCount(size))*chunkEntrySize }

func alignUp(n int64) int64 { return (n + recordAlign - 1) &^ (recordAlign - 1) }

// length is what the record takes in its segment, padding included, in bytes.
func (h *header) length() int64 { return alignUp(headerSize(h.size) + int64(h.stored)) }

// sum is the checksum of an encoded header at its place.
func (p place) sum(head []byte) uint64 {
	var prefix [32]byte
	copy(prefix[:], p.disk[:])
	binary.LittleEndian.PutUint64(prefix[16:], p.segment)
	binary.LittleEndian.PutUint64(prefix[24:], uint64(p.offset))
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(prefix[:]) // never fails
	_, _ = d.Write(head[:recordFixed-8])
	_, _ = d.Write(head[recordFixed:])
	return d.Sum64()
}

// appendHeader appends the header and its table in their stored form.
func appendHeader(dst []byte, h *header, at place) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, recordMagic)
	dst = append(dst, recordFormat, byte(h.kind), chunkShift, 0)
	dst = le.AppendUint64(dst, uint64(h.epoch))
	dst = le.AppendUint64(dst, uint64(h.addr.Bucket))
	dst = append(dst, h.addr.Hash[:]...)
	dst = le.AppendUint32(dst, h.size)
	dst = le.AppendUint32(dst, h.stored)
	dst = le.AppendUint64(dst, 0)
	for _, c := range h.chunks {
		dst = le.AppendUint32(dst, c.stored|uint32(c.codec)<<24)
		dst = le.AppendUint64(dst, c.sum)
	}
	head := dst[start:]
	le.PutUint64(head[recordFixed-8:], at.sum(head))
	return dst
}

// peekHeaderSize tells how long the header that begins with fixed is, without trusting it: at most headerSizeMax.
func peekHeaderSize(fixed []byte) (int, error) {
	if len(fixed) < recordFixed || binary.LittleEndian.Uint32(fixed) != recordMagic {
		return 0, errBadRecord
	}
	size := binary.LittleEndian.Uint32(fixed[56:])
	if size > block.SizeMax {
		return 0, errBadRecord
	}
	return int(headerSize(size)), nil
}

// decodeHeader reads a header that stands at a place. Anything that this program would not have written is refused.
func decodeHeader(head []byte, at place) (*header, error) {
	n, err := peekHeaderSize(head)
	if err != nil {
		return nil, err
	}
	if len(head) < n {
		return nil, errBadRecord
	}
	head = head[:n]
	le := binary.LittleEndian
	if le.Uint64(head[recordFixed-8:]) != at.sum(head) {
		return nil, errBadRecord
	}
	if head[4] != recordFormat || head[6] != chunkShift || head[7] != 0 {
		return nil, errBadRecord
	}
	h := &header{
		kind:   Kind(head[5]),
		epoch:  block.Epoch(le.Uint64(head[8:])),
		addr:   block.Address{Bucket: id.Bucket(le.Uint64(head[16:])), Hash: id.Hash(head[24:56])},
		size:   le.Uint32(head[56:]),
		stored: le.Uint32(head[60:]),
	}
	if h.chunks, err = decodeTable(head[recordFixed:], h); err != nil {
		return nil, err
	}
	return h, nil
}

func decodeTable(table []byte, h *header) ([]chunk, error) {
	switch h.kind {
	case KindBlock:
	case KindTouch, KindDelete:
		if h.size != 0 || h.stored != 0 {
			return nil, errBadRecord
		}
		return nil, nil
	default:
		return nil, errBadRecord
	}
	chunks := make([]chunk, chunkCount(h.size))
	var total uint32
	for i := range chunks {
		e := table[i*chunkEntrySize:]
		word := binary.LittleEndian.Uint32(e)
		c := chunk{stored: word & (1<<24 - 1), codec: Codec(word >> 24), sum: binary.LittleEndian.Uint64(e[4:])}
		plain := uint32(plainLen(h.size, i))
		switch {
		case c.codec == CodecNone && c.stored == plain:
		case c.codec == CodecZstd && c.stored > 0 && c.stored < plain:
		default:
			return nil, errBadRecord
		}
		chunks[i], total = c, total+c.stored
	}
	if total != h.stored {
		return nil, errBadRecord
	}
	return chunks, nil
}

// appendSegmentHeader appends the first bytes of a segment file.
func appendSegmentHeader(dst []byte, disk ID, segment uint64) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, segmentFormat)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = append(dst, disk[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, segment)
	dst = append(dst, make([]byte, 16)...)
	return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(dst[start:]))
}

// decodeSegmentHeader reads what appendSegmentHeader wrote. A valid header of a newer format gives ErrNewerFormat.
func decodeSegmentHeader(head []byte) (disk ID, segment uint64, err error) {
	if len(head) < segmentHeaderSize || string(head[:8]) != segmentMagic {
		return disk, 0, errBadRecord
	}
	sum := binary.LittleEndian.Uint64(head[segmentHeaderSize-8:])
	if sum != xxhash.Sum64(head[:segmentHeaderSize-8]) {
		return disk, 0, errBadRecord
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != segmentFormat {
		return disk, 0, fmt.Errorf("%w: segment format %d, this program knows %d", ErrNewerFormat, v, segmentFormat)
	}
	copy(disk[:], head[16:32])
	return disk, binary.LittleEndian.Uint64(head[32:]), nil
}
