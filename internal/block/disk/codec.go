package disk

import (
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"

	"grange/internal/block"
)

const (
	sampleBytes = 4 << 10 // of a chunk, looked at before compressing it
	// A chunk whose sample scores below estimateMin is stored as it is; see compress.Estimate.
	estimateMin = 0.03
	// Compression must save this share of a chunk (one part in so many), or the chunk is stored as it is.
	savingMin = 16
	// After a chunk that did not pay, this many chunks are not even tried.
	skipAfterMiss = 7
	// A pooled buffer that grew beyond this is left to the garbage collector.
	pooledBytesMax = 2 << 20
)

// The codecs are shared by all stores of the process: their tables are some MB, and they may be used concurrently.
var codecs = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(chunkSize),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(fmt.Sprintf("zstd encoder: %v", err)) // the options are constants
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(chunkSize), zstd.WithDecoderMaxWindow(chunkSize))
	if err != nil {
		panic(fmt.Sprintf("zstd decoder: %v", err)) // the options are constants
	}
	return enc, dec
})

var chunkPool = sync.Pool{New: func() any { return new([chunkSize]byte) }}

var packedPool = sync.Pool{New: func() any { return new([]byte) }}

// extent is a run of stored bytes: of the caller's data, or of the packed buffer.
type extent struct {
	packed     bool
	start, end int
}

// encoded is a record that is ready but for its place. Chunks that are stored as they are stay in the caller's memory.
type encoded struct {
	header
	data    []byte  // the caller's
	packed  *[]byte // compressed chunks; nil when there are none
	extents []extent
}

// encode makes a block record. The result refers to data until release.
func encode(addr block.Address, epoch block.Epoch, data []byte, pack bool) *encoded {
	e := &encoded{data: data, header: header{
		kind: KindBlock, addr: addr, epoch: epoch, size: uint32(len(data)),
		chunks: make([]chunk, 0, chunkCount(uint32(len(data)))),
	}}
	skip := 0
	for start := 0; start < len(data); start += chunkSize {
		plain := data[start:min(start+chunkSize, len(data))]
		if !pack || skip > 0 {
			skip--
			e.addPlain(start, plain)
		} else if !e.tryPacked(plain) {
			skip = skipAfterMiss
			e.addPlain(start, plain)
		}
	}
	return e
}

func (e *encoded) addPlain(start int, plain []byte) {
	e.addExtent(extent{start: start, end: start + len(plain)})
	e.addChunk(chunk{stored: uint32(len(plain)), codec: CodecNone, sum: xxhash.Sum64(plain)})
}

// tryPacked compresses a chunk, and tells whether that pays.
func (e *encoded) tryPacked(plain []byte) bool {
	sample := plain
	if len(sample) > sampleBytes {
		mid := len(plain) / 2
		sample = plain[mid : mid+min(sampleBytes, len(plain)-mid)]
	}
	if compress.Estimate(sample) < estimateMin {
		return false
	}
	if e.packed == nil {
		e.packed = packedPool.Get().(*[]byte)
		*e.packed = (*e.packed)[:0]
	}
	enc, _ := codecs()
	start := len(*e.packed)
	out := enc.EncodeAll(plain, *e.packed)
	stored := len(out) - start
	if stored > len(plain)-len(plain)/savingMin-1 {
		*e.packed = out[:start]
		return false
	}
	*e.packed = out
	e.addExtent(extent{packed: true, start: start, end: len(out)})
	e.addChunk(chunk{stored: uint32(stored), codec: CodecZstd, sum: xxhash.Sum64(out[start:])})
	return true
}

func (e *encoded) addChunk(c chunk) {
	e.chunks = append(e.chunks, c)
	e.stored += c.stored
}

// addExtent appends a run, or lengthens the last one.
func (e *encoded) addExtent(x extent) {
	if n := len(e.extents); n > 0 && e.extents[n-1].packed == x.packed && e.extents[n-1].end == x.start {
		e.extents[n-1].end = x.end
		return
	}
	e.extents = append(e.extents, x)
}

func (e *encoded) bytes(x extent) []byte {
	if x.packed {
		return (*e.packed)[x.start:x.end]
	}
	return e.data[x.start:x.end]
}

// release gives the buffers back. Nobody may use the record any more.
func (e *encoded) release() {
	if e.packed != nil && cap(*e.packed) <= pooledBytesMax {
		packedPool.Put(e.packed)
	}
	e.packed, e.data = nil, nil
}

// unpack writes the plain bytes of a stored chunk, whose checksum was compared before, to dst; len(dst) is the length
// that they must have.
func unpack(dst []byte, c chunk, stored []byte) error {
	if c.codec == CodecNone {
		if copy(dst, stored) != len(dst) {
			return errBadRecord
		}
		return nil
	}
	_, dec := codecs()
	out, err := dec.DecodeAll(stored, dst[:0:len(dst)])
	if err != nil || len(out) != len(dst) || &out[0] != &dst[0] {
		return fmt.Errorf("%w: chunk does not unpack", errBadRecord)
	}
	return nil
}
