package disk

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"

	"grange/internal/block"
)

// scanWindow is how much a scan reads at once to find headers.
const scanWindow = 4 << 10

// scanner finds the records of a segment one after the other. Where no valid record stands, it looks for the next one
// at every place where a record may start, and tells what it skipped.
type scanner struct {
	r    io.ReaderAt
	at   place // disk and segment; the offset is that of the next try
	end  int64 // no record starts at or after it
	skip func(from, to int64)

	window     []byte
	windowFrom int64
	windowLen  int
}

func newScanner(r io.ReaderAt, disk ID, segment uint64, from, end int64) *scanner {
	return &scanner{
		r: r, at: place{disk, segment, max(alignUp(from), segmentHeaderSize)}, end: end,
		skip: func(int64, int64) {}, window: make([]byte, scanWindow), windowFrom: -1,
	}
}

// next returns the next record and its offset, or io.EOF at the end. Other errors are those of the reader.
func (s *scanner) next() (*header, int64, error) {
	start := s.at.offset
	for s.at.offset < s.end {
		h, err := s.try()
		if err == nil && s.at.offset+headerSize(h.size)+int64(h.stored) <= alignUp(s.end) {
			off := s.at.offset
			if off > start {
				s.skip(start, off)
			}
			s.at.offset += h.length()
			return h, off, nil
		}
		if err != nil && !errors.Is(err, errBadRecord) {
			return nil, 0, err
		}
		s.at.offset += recordAlign
	}
	if start < s.end {
		s.skip(start, s.end)
	}
	return nil, 0, io.EOF
}

// try reads the record that starts at the current offset.
func (s *scanner) try() (*header, error) {
	fixed, err := s.bytes(recordFixed)
	if err != nil {
		return nil, err
	}
	n, err := peekHeaderSize(fixed)
	if err != nil {
		return nil, err
	}
	head, err := s.bytes(n)
	if err != nil {
		return nil, err
	}
	return decodeHeader(head, s.at)
}

// bytes are the next n bytes at the current offset. Bytes that the file does not have give errBadRecord.
func (s *scanner) bytes(n int) ([]byte, error) {
	lo := s.at.offset - s.windowFrom
	if s.windowFrom < 0 || lo < 0 || lo+int64(n) > int64(s.windowLen) {
		got, err := s.r.ReadAt(s.window, s.at.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read segment %d at %d: %w", s.at.segment, s.at.offset, err)
		}
		s.windowFrom, s.windowLen, lo = s.at.offset, got, 0
	}
	if lo+int64(n) > int64(s.windowLen) {
		return nil, errBadRecord
	}
	return s.window[lo : lo+int64(n)], nil
}

// verifyChunks reads the content of a record and compares the checksum of each chunk. With each it also unpacks the
// chunks and hands the plain bytes on, which are valid during the call. A mismatch gives errBadRecord.
func verifyChunks(r io.ReaderAt, h *header, off int64, each func(plain []byte)) error {
	stored := chunkPool.Get().(*[chunkSize]byte)
	defer chunkPool.Put(stored)
	plain := chunkPool.Get().(*[chunkSize]byte)
	defer chunkPool.Put(plain)
	off += headerSize(h.size)
	for i, c := range h.chunks {
		b := stored[:c.stored]
		if err := readFull(r, b, off); err != nil {
			return err
		}
		if xxhash.Sum64(b) != c.sum {
			return fmt.Errorf("%w: checksum of chunk %d differs", errBadRecord, i)
		}
		if each != nil {
			out := plain[:plainLen(h.size, i)]
			if err := unpack(out, c, b); err != nil {
				return err
			}
			each(out)
		}
		off += int64(c.stored)
	}
	return nil
}

// readFull fills b; a file that ends before gives errBadRecord.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: file ends before %d", errBadRecord, off+int64(len(b)))
	}
	return fmt.Errorf("read at %d: %w", off, err)
}

// Record is one record of a segment file, as an inspector shows it.
type Record struct {
	Kind    Kind
	Offset  int64 // in the segment, in bytes
	Length  int64 // padding included, in bytes
	Address block.Address
	Epoch   block.Epoch
	Size    int   // plain content, in bytes
	Stored  int64 // chunks, in bytes
	Chunks  int
	Packed  int // chunks that are compressed
	// Problem is what is wrong with the content; nil when every chunk matches its checksum.
	Problem error
}

// Gap is a stretch of a segment file where no valid record stands: the end that a power cut tore, or damage.
type Gap struct{ From, To int64 }

// Inspection is what a segment file says of itself.
type Inspection struct {
	Disk    ID
	Segment uint64
	Gaps    []Gap // the first gapsMax of them
}

const gapsMax = 1000

// InspectSegment reads a segment file, whole or damaged, and calls f for each record until f returns false. It needs
// no other file. A damaged file header is an error, since records are checked against what it says; see
// InspectSegmentOf. Errors of the reader are returned as they are.
func InspectSegment(r io.ReaderAt, f func(Record) bool) (Inspection, error) {
	head := make([]byte, segmentHeaderSize)
	if err := readFull(r, head, 0); err != nil {
		return Inspection{}, fmt.Errorf("segment header: %w", err)
	}
	disk, segment, err := decodeSegmentHeader(head)
	if err != nil {
		return Inspection{}, fmt.Errorf("segment header: %w", err)
	}
	return InspectSegmentOf(r, disk, segment, f)
}

// InspectSegmentOf is InspectSegment for a file whose header is damaged: the disk's identity file and the name of the
// segment file say what the header cannot.
func InspectSegmentOf(r io.ReaderAt, disk ID, segment uint64, f func(Record) bool) (Inspection, error) {
	in := Inspection{Disk: disk, Segment: segment}
	end, err := sizeOf(r)
	if err != nil {
		return in, err
	}
	s := newScanner(r, disk, segment, 0, end)
	s.skip = func(from, to int64) {
		if len(in.Gaps) < gapsMax {
			in.Gaps = append(in.Gaps, Gap{from, to})
		}
	}
	for {
		h, off, err := s.next()
		if errors.Is(err, io.EOF) {
			return in, nil
		}
		if err != nil {
			return in, err
		}
		rec := Record{
			Kind: h.kind, Offset: off, Length: h.length(), Address: h.addr, Epoch: h.epoch,
			Size: int(h.size), Stored: int64(h.stored), Chunks: len(h.chunks),
		}
		for _, c := range h.chunks {
			if c.codec != CodecNone {
				rec.Packed++
			}
		}
		if rec.Problem = verifyChunks(r, h, off, nil); rec.Problem != nil && !errors.Is(rec.Problem, errBadRecord) {
			return in, rec.Problem
		}
		if !f(rec) {
			return in, nil
		}
	}
}

// sizeOf finds the size of what r reads, by asking for single bytes.
func sizeOf(r io.ReaderAt) (int64, error) {
	if s, ok := r.(interface{ Size() int64 }); ok {
		return s.Size(), nil
	}
	var one [1]byte
	lo, hi := int64(0), int64(1)
	has := func(off int64) (bool, error) {
		n, err := r.ReadAt(one[:], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		return n == 1, nil
	}
	for {
		ok, err := has(hi - 1)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if hi > math.MaxInt64/4 {
			return 0, fmt.Errorf("segment has no end: %w", errBadRecord)
		}
		lo, hi = hi, hi*2
	}
	for lo+1 < hi { // the size is in [lo, hi)
		mid := lo + (hi-lo)/2
		ok, err := has(mid - 1)
		if err != nil {
			return 0, err
		}
		if ok {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, nil
}
