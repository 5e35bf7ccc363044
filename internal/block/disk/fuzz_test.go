package disk

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
	"grange/internal/id"
)

// aSegment is the file of a segment with records of all kinds.
func aSegment(t testing.TB) []byte {
	fsys := vfs.NewMem()
	s, err := Open(Options{
		FS: fsys, Node: id.Node{1}, Dirs: []DirOptions{{Path: "/d", CapacityBytes: 1 << 30}}, ReserveBytes: 1, SegmentBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(4) {
		data := blocktest.Data(i, int(i)*30_000)
		addr := blocktest.Addr(1, data)
		if err := errors.Join(s.Put(t.Context(), addr, 1, data), s.Put(t.Context(), addr, 2, data)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := s.Delete(t.Context(), addr, 3); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Open("/d/segments/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspectSegmentShowsEveryRecord(t *testing.T) {
	raw := aSegment(t)
	var kinds []string
	in, err := InspectSegment(bytes.NewReader(raw), func(r Record) bool {
		if r.Problem != nil {
			t.Errorf("record at %d: %v", r.Offset, r.Problem)
		}
		kinds = append(kinds, r.Kind.String())
		return true
	})
	want := []string{"block", "touch", "block", "touch", "delete", "block", "touch", "block", "touch"}
	if err != nil || in.Segment != 1 || len(in.Gaps) != 0 || !reflect.DeepEqual(kinds, want) {
		t.Fatalf("%+v, kinds %v, error %v, want %v", in, kinds, err, want)
	}
	damaged := bytes.Clone(raw)
	damaged[0] ^= 1
	if _, err := InspectSegment(bytes.NewReader(damaged), func(Record) bool { return true }); err == nil {
		t.Error("a damaged file header is no error, want one")
	}
	n := 0
	if _, err := InspectSegmentOf(bytes.NewReader(damaged), in.Disk, 1, func(Record) bool { n++; return true }); err != nil || n != len(want) {
		t.Errorf("%d records of a file whose disk is known, error %v, want %d", n, err, len(want))
	}
}

// onlyReaderAt hides the size of a reader.
type onlyReaderAt struct{ r io.ReaderAt }

func (o onlyReaderAt) ReadAt(p []byte, off int64) (int, error) { return o.r.ReadAt(p, off) }

func TestSizeOfFindsTheEnd(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 63, 64, 65, 1000, 4096} {
		if got, err := sizeOf(onlyReaderAt{bytes.NewReader(make([]byte, n))}); got != int64(n) || err != nil {
			t.Errorf("size %d, error %v, want %d", got, err, n)
		}
	}
}

func FuzzInspectSegment(f *testing.F) {
	raw := aSegment(f)
	f.Add(raw)
	f.Add(raw[:70_000])
	f.Add(raw[:segmentHeaderSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var end int64
		_, _ = InspectSegment(bytes.NewReader(b), func(r Record) bool {
			if r.Offset < end || r.Offset%recordAlign != 0 || r.Size > block.SizeMax || r.Length > int64(len(b))+recordAlign {
				t.Fatalf("record %+v after %d in %d bytes", r, end, len(b))
			}
			end = r.Offset + r.Length
			return true
		})
		for _, k := range []int{len(b) / 2, len(b) / 3} { // bytes that are no segment from their beginning
			_, _ = InspectSegmentOf(bytes.NewReader(b[k:]), ID{}, 1, func(Record) bool { return true })
		}
	})
}

func FuzzRecordHeader(f *testing.F) {
	at := place{disk: ID{1}, segment: 2, offset: 64}
	for _, h := range []header{
		{kind: KindTouch, epoch: 3},
		{kind: KindDelete, addr: block.Address{Bucket: 4}, epoch: 1 << 60},
		{kind: KindBlock, size: 70_000, stored: 65536 + 9, chunks: []chunk{{65536, CodecNone, 1}, {9, CodecZstd, 2}}},
	} {
		f.Add(appendHeader(nil, &h, at))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := peekHeaderSize(b); err == nil && n <= len(b) && n >= recordFixed {
			h := at.sum(b[:n]) // make the checksum right, so that the fuzzer gets behind it
			for i := range 8 {
				b[recordFixed-8+i] = byte(h >> (8 * i))
			}
		}
		h, err := decodeHeader(b, at)
		if err != nil {
			return
		}
		again := appendHeader(nil, h, at)
		if !bytes.Equal(again, b[:len(again)]) {
			t.Fatalf("%x reads as %+v, which is written as %x", b, h, again)
		}
		if _, err := decodeHeader(b, place{disk: ID{1}, segment: 2, offset: 128}); err == nil {
			t.Fatal("the record is valid at another place, want it refused")
		}
	})
}

func FuzzEntry(f *testing.F) {
	for _, e := range []entry{
		{},
		{live: true, at: pos{1, 64}, length: 128, size: 9, epoch: 4, dead: []uint64{1, 2}},
		{live: true, at: pos{1, 64}, length: 128, size: 9, epoch: 4, touch: pos{3, 128}},
		{tomb: pos{3, 64}, doomed: 9, dead: []uint64{1}},
	} {
		f.Add(e.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		again, err := decodeEntry(e.append(nil))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v is read again as %+v, error %v", e, again, err)
		}
		if s, err := decodeSegmentState(b); err == nil {
			if again, err := decodeSegmentState(s.append(nil)); err != nil || again != s {
				t.Fatalf("%+v is read again as %+v, error %v", s, again, err)
			}
		}
	})
}

func FuzzIdentity(f *testing.F) {
	node, cluster := id.Node{1}, [16]byte{2}
	f.Add([]byte(`{"format":1,"disk":"00000000000000000000000000000001","node":"x","cluster":"y","checksum":"1"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if disk, err := parseIdentity("/d", b, node, cluster); err == nil && disk == (ID{}) {
			t.Fatal("an identity without a disk is accepted")
		}
	})
}

// FuzzUnpack reads a chunk whose checksum is right and whose bytes are anything.
func FuzzUnpack(f *testing.F) {
	rec := encode(block.Address{}, 1, blocktest.Data(2, 1000), true)
	f.Add(bytes.Clone(*rec.packed), uint16(1000))
	f.Fuzz(func(t *testing.T, stored []byte, size uint16) {
		dst := make([]byte, int(size)+1, int(size)+10)
		guard := dst[len(dst):cap(dst)]
		_ = unpack(dst, chunk{stored: uint32(len(stored)), codec: CodecZstd}, stored)
		if !bytes.Equal(guard, make([]byte, 9)) {
			t.Fatal("bytes were written behind the chunk")
		}
	})
}
