package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

const (
	bufferSize = 1 << 20
	stampEvery = 64 << 10 // no block of a store's deduplication should be smaller
)

// content writes objects that neither compress nor repeat, without making new random bytes for each: the buffer is
// random, and each stretch of stampEvery bytes gets a stamp of its own. It belongs to one goroutine.
type content struct {
	buffer []byte
	stamp  uint64 // of the next stretch
	seed   uint64
}

func newContent() *content {
	c := &content{buffer: make([]byte, bufferSize), seed: rand.Uint64()}
	for i := 0; i < len(c.buffer); i += 8 {
		binary.LittleEndian.PutUint64(c.buffer[i:], rand.Uint64())
	}
	return c
}

// write sends size fresh bytes to w.
func (c *content) write(w io.Writer, size int64) error {
	for size > 0 {
		piece := c.buffer[:min(size, bufferSize)]
		for at := 0; at < len(piece); at += stampEvery {
			c.mark(piece[at:])
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		size -= int64(len(piece))
	}
	return nil
}

// hash is the SHA-256 of what the next write of size bytes will send.
func (c *content) hash(size int64) string {
	before := c.stamp
	h := sha256.New()
	_ = c.write(h, size) // a hash takes everything
	c.stamp = before
	return hex.EncodeToString(h.Sum(nil))
}

func (c *content) mark(stretch []byte) {
	var stamp [16]byte
	binary.LittleEndian.PutUint64(stamp[:8], c.seed)
	binary.LittleEndian.PutUint64(stamp[8:], c.stamp)
	c.stamp++
	copy(stretch, stamp[:])
}
