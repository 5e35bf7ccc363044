package chunked

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// Plain is a body without framing, which is held to its length and its hash.
type Plain struct {
	src      io.Reader
	size     int64 // -1 when unknown
	received int64
	promised *[sha256.Size]byte
	sum      hash.Hash // nil when nothing is promised
	err      error     // sticks; io.EOF once all was verified
}

// NewPlain returns the body of the given size, or -1 when it is not known, and of the given SHA-256 unless that is nil. A nil source is empty.
func NewPlain(src io.Reader, size int64, promised *[sha256.Size]byte) *Plain {
	if src == nil {
		src = eof{}
	}
	b := &Plain{src: src, size: max(size, -1), promised: promised}
	if promised != nil {
		b.sum = sha256.New()
	}
	return b
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// Size implements Body.
func (b *Plain) Size() int64 { return b.size }

// Trailer implements Body; a plain body has none.
func (b *Plain) Trailer() map[string]string { return nil }

// Read implements io.Reader.
func (b *Plain) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n = 0
	}
	b.err = err
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// read returns io.EOF, possibly with the last bytes, once all was verified.
func (b *Plain) read(p []byte) (int, error) {
	if b.received == b.size { // an empty body
		return 0, b.finish()
	}
	if b.size >= 0 {
		p = p[:min(int64(len(p)), b.size-b.received)]
	}
	n, err := b.src.Read(p)
	b.received += int64(n)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	switch {
	case b.received == b.size:
		return n, b.finish()
	case errors.Is(err, io.EOF) && b.size < 0:
		return n, b.verify()
	case err != nil:
		return 0, sourceError(err)
	default:
		return n, nil
	}
}

// finish checks that nothing follows, and the hash.
func (b *Plain) finish() error {
	if err := expectEnd(b.src); err != nil {
		return err
	}
	return b.verify()
}

func (b *Plain) verify() error {
	if b.sum == nil {
		return io.EOF
	}
	if computed := b.sum.Sum(nil); [sha256.Size]byte(computed) != *b.promised {
		return wrongHash(b.promised[:], computed)
	}
	return io.EOF
}

// expectEnd reads the end of the source, which lets net/http use the connection again.
func expectEnd(src io.Reader) error {
	var one [1]byte
	_, err := io.ReadFull(src, one[:])
	switch {
	case err == nil:
		return malformedFraming("data after its end.")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return sourceError(err)
	}
}
