package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

const (
	chunkAlgorithm   = "AWS4-HMAC-SHA256-PAYLOAD"
	trailerAlgorithm = "AWS4-HMAC-SHA256-TRAILER"
	emptySHA256      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	hexSize          = 2 * sha256.Size
)

// Chain verifies the signatures of a body's chunks: each signature covers the one before, and the first covers that of the request.
// (S3 API reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".) It belongs to one goroutine and allocates
// nothing after the first chunk.
type Chain struct {
	mac         hash.Hash
	accessKeyID string
	head        string        // "\n" timestamp "\n" scope "\n"
	last        [hexSize]byte // the signature before
	text        []byte        // scratch
	sum         [sha256.Size]byte
}

// Chunk verifies the signature of the next chunk from the SHA-256 of its data. The error is an *Error with SignatureDoesNotMatch, after
// which the chain is of no more use.
func (c *Chain) Chunk(sum [sha256.Size]byte, signature []byte) error {
	c.begin(chunkAlgorithm)
	c.text = append(c.text, emptySHA256...)
	c.text = append(c.text, '\n')
	return c.verify(sum, signature)
}

// Trailer verifies the signature of the trailers, which follow the last chunk, from the SHA-256 of their canonical text: "name:value\n"
// for each. Errors are those of Chunk.
func (c *Chain) Trailer(sum [sha256.Size]byte, signature []byte) error {
	c.begin(trailerAlgorithm)
	return c.verify(sum, signature)
}

func (c *Chain) begin(algorithm string) {
	c.text = append(c.text[:0], algorithm...)
	c.text = append(c.text, c.head...)
	c.text = append(c.text, c.last[:]...)
	c.text = append(c.text, '\n')
}

func (c *Chain) verify(sum [sha256.Size]byte, signature []byte) error {
	c.text = hex.AppendEncode(c.text, sum[:])
	c.mac.Reset()
	c.mac.Write(c.text)
	hex.Encode(c.last[:], c.mac.Sum(c.sum[:0]))
	if !hmac.Equal(c.last[:], signature) {
		return mismatch(c.accessKeyID, string(signature), string(c.text), "")
	}
	return nil
}

// Chain returns a verifier of the chunks' signatures, and nil unless Payload.SignedChunks.
func (r *Result) Chain() *Chain {
	if !r.Payload.SignedChunks() || r.key == nil {
		return nil
	}
	c := &Chain{
		mac:         hmac.New(sha256.New, r.key[:]),
		accessKeyID: r.AccessKeyID,
		head:        "\n" + r.Date.Format(timeFormat) + "\n" + r.scope + "\n",
	}
	copy(c.last[:], r.seed)
	return c
}
