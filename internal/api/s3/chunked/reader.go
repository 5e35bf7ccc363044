package chunked

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

const (
	bufferSize      = 4 << 10 // bytes; also the longest line
	firstBufferSize = 128 << 10
	chunkMaxDefault = 16 << 20
	signatureSize   = 2 * sha256.Size // hexadecimal digits
	signatureLabel  = ";chunk-signature="
)

// Signatures verifies a body's chunks and trailers in their order, as sigv4.Chain does. Each error ends the body.
type Signatures interface {
	// Chunk verifies the signature of the next chunk from the SHA-256 of its data.
	Chunk(sum [sha256.Size]byte, signature []byte) error
	// Trailer verifies the signature of the trailers from the SHA-256 of their canonical text.
	Trailer(sum [sha256.Size]byte, signature []byte) error
}

// Options describe an aws-chunked body.
type Options struct {
	// Size is the number of bytes without the framing: x-amz-decoded-content-length.
	Size int64
	// Signatures verifies signed chunks; nil when the chunks have no signatures.
	Signatures Signatures
	// Trailer says that trailers stand at the end, even if none was announced.
	Trailer bool
	// Announced are the lower-case names of the trailers that must come, and the only ones that may.
	Announced []string
	// ChunkMax is the largest signed chunk in bytes, which may have to be held in memory; 16 MiB when zero.
	ChunkMax int64
}

// Reader decodes an aws-chunked body. See the package comment for the format and the promises.
type Reader struct {
	src  *bufio.Reader
	opts Options

	left    int64 // bytes of the body that no chunk has announced yet, or, in a chunk, that were not read yet
	inChunk int64 // bytes of the current unsigned chunk that were not read yet

	sum       hash.Hash // of the current signed chunk
	signature [signatureSize]byte
	scratch   [sha256.Size]byte
	buf       []byte // holds a signed chunk that is larger than the caller's buffer
	verified  []byte // the part of buf that was verified and not yet read by the caller

	trailer map[string]string
	err     error // sticks; io.EOF once all was verified
}

// NewReader returns the content of an aws-chunked body. A nil source is empty.
func NewReader(src io.Reader, opts Options) *Reader {
	if src == nil {
		src = eof{}
	}
	if opts.ChunkMax <= 0 {
		opts.ChunkMax = chunkMaxDefault
	}
	r := &Reader{src: bufio.NewReaderSize(src, bufferSize), opts: opts, left: opts.Size}
	if opts.Signatures != nil {
		r.sum = sha256.New()
	}
	return r
}

// Size implements Body.
func (r *Reader) Size() int64 { return r.opts.Size }

// Trailer implements Body.
func (r *Reader) Trailer() map[string]string {
	if !errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.trailer
}

// Read implements io.Reader. It uses all of p as scratch space, also where it returns less.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.verified) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.next(p)
		if err != nil {
			r.err, r.verified = err, nil
			return 0, err
		}
		if n > 0 {
			return n, nil
		}
	}
	n := copy(p, r.verified)
	r.verified = r.verified[n:]
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// next reads on until there is data: in p, of which it returns the length, or in r.verified. At the end of the body it sets r.err to io.EOF,
// and fails only for bodies that are not right.
func (r *Reader) next(p []byte) (int, error) {
	if r.inChunk == 0 {
		size, err := r.readChunkHeader()
		if err != nil {
			return 0, err
		}
		if size == 0 {
			return 0, r.finish()
		}
		if r.opts.Signatures != nil {
			return r.readSigned(p, size)
		}
		r.inChunk = size
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.inChunk)])
	if err != nil {
		return 0, sourceError(err)
	}
	r.inChunk -= int64(n)
	r.left -= int64(n)
	if r.inChunk == 0 {
		return n, r.endChunk()
	}
	return n, nil
}

// readSigned reads and verifies a whole chunk: into p if it is large enough, else into r.buf.
func (r *Reader) readSigned(p []byte, size int64) (int, error) {
	if size > r.opts.ChunkMax {
		return 0, malformedFraming(fmt.Sprintf("a chunk of %d bytes is larger than the %d that are accepted.", size, r.opts.ChunkMax))
	}
	r.sum.Reset()
	inPlace := int64(len(p)) >= size
	var err error
	if inPlace {
		err = r.readHashed(p[:size])
	} else {
		err = r.fillBuffer(int(size))
	}
	if err != nil {
		return 0, err
	}
	if err := r.verifyChunk(); err != nil {
		return 0, err
	}
	r.left -= size
	if err := r.endChunk(); err != nil {
		return 0, err
	}
	if inPlace {
		return int(size), nil
	}
	r.verified = r.buf[:size]
	return 0, nil
}

// fillBuffer reads size bytes into r.buf, which grows only as bytes arrive: an announced size alone costs nothing.
func (r *Reader) fillBuffer(size int) error {
	for have := 0; have < size; {
		if have == len(r.buf) {
			grown := make([]byte, min(max(2*have, firstBufferSize), size))
			copy(grown, r.buf)
			r.buf = grown
		}
		end := min(size, len(r.buf))
		if err := r.readHashed(r.buf[have:end]); err != nil {
			return err
		}
		have = end
	}
	return nil
}

// readHashed fills p and adds it to the chunk's hash while it is still in the processor's cache.
func (r *Reader) readHashed(p []byte) error {
	const piece = 32 << 10
	for len(p) > 0 {
		n, err := io.ReadFull(r.src, p[:min(len(p), piece)])
		if err != nil {
			return sourceError(err)
		}
		r.sum.Write(p[:n])
		p = p[n:]
	}
	return nil
}

func (r *Reader) verifyChunk() error {
	return r.opts.Signatures.Chunk([sha256.Size]byte(r.sum.Sum(r.scratch[:0])), r.signature[:])
}

// endChunk reads the line break after a chunk's data. After the last byte of the body it reads and verifies all the rest, so that the data at hand
// is given out only if that is right.
func (r *Reader) endChunk() error {
	if err := r.expectLineBreak(); err != nil {
		return err
	}
	if r.left > 0 {
		return nil
	}
	if _, err := r.readChunkHeader(); err != nil {
		return err
	}
	return r.finish()
}

// finish reads what follows the header of the final chunk.
func (r *Reader) finish() error {
	if r.opts.Signatures != nil {
		r.sum.Reset()
		if err := r.verifyChunk(); err != nil {
			return err
		}
	}
	var err error
	if r.opts.Trailer {
		err = r.readTrailers()
	} else {
		err = r.expectLineBreak()
	}
	if err != nil {
		return err
	}
	if err := expectEnd(r.src); err != nil {
		return err
	}
	r.err = io.EOF
	return nil
}

// readChunkHeader returns the size of the chunk that begins, which is 0 at the end of the body and only there.
func (r *Reader) readChunkHeader() (int64, error) {
	line, err := r.src.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, malformedFraming("the header of a chunk is too long.")
	}
	if err != nil {
		return 0, sourceError(err)
	}
	size, rest, ok := parseHex(line)
	if ok && r.opts.Signatures != nil {
		rest, ok = r.takeSignature(rest)
	}
	if !ok || string(rest) != "\r\n" {
		return 0, malformedFraming("the header of a chunk is not as it should be.")
	}
	switch {
	case size > r.left:
		return 0, wrongLength(errors.New("more data than announced"))
	case size == 0 && r.left > 0:
		return 0, wrongLength(io.ErrUnexpectedEOF)
	}
	return size, nil
}

// takeSignature reads the signature from the rest of a chunk's header.
func (r *Reader) takeSignature(rest []byte) ([]byte, bool) {
	if len(rest) < len(signatureLabel)+signatureSize || string(rest[:len(signatureLabel)]) != signatureLabel {
		return nil, false
	}
	n := copy(r.signature[:], rest[len(signatureLabel):])
	return rest[len(signatureLabel)+n:], true
}

func (r *Reader) expectLineBreak() error {
	b, err := r.src.Peek(2)
	if err != nil {
		return sourceError(err)
	}
	if string(b) != "\r\n" {
		return malformedFraming("a line break is missing.")
	}
	_, err = r.src.Discard(2)
	return err
}

// parseHex reads the hexadecimal number at the start of a line.
func parseHex(line []byte) (n int64, rest []byte, ok bool) {
	const digitsMax = 15 // so that the number fits
	i := 0
	for ; i < len(line) && i <= digitsMax; i++ {
		c := line[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return n, line[i:], i > 0
		}
		n = n<<4 | int64(c)
	}
	return 0, nil, false
}
