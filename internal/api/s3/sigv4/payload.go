package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const contentSHA256Header = "x-amz-content-sha256"

// Payload is what the value of x-amz-content-sha256 promises about the body.
type Payload uint8

// The kinds of payload.
const (
	// PayloadUnsigned is a plain body of which nothing is promised: UNSIGNED-PAYLOAD, or no value where none is needed.
	PayloadUnsigned Payload = iota
	// PayloadHash is a plain body whose SHA-256 is Result.PayloadSHA256.
	PayloadHash
	// PayloadSignedChunks is an aws-chunked body, each chunk with a signature.
	PayloadSignedChunks
	// PayloadSignedChunksTrailer is the same with signed trailers.
	PayloadSignedChunksTrailer
	// PayloadUnsignedChunksTrailer is an aws-chunked body without signatures, with trailers.
	PayloadUnsignedChunksTrailer
)

// payloadNames are the values of x-amz-content-sha256 other than a hash.
var payloadNames = map[string]Payload{
	"UNSIGNED-PAYLOAD":                           PayloadUnsigned,
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":         PayloadSignedChunks,
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": PayloadSignedChunksTrailer,
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER":         PayloadUnsignedChunksTrailer,
}

// String returns the value of x-amz-content-sha256, or "SHA256" for PayloadHash.
func (p Payload) String() string {
	if p == PayloadHash {
		return "SHA256"
	}
	for name, q := range payloadNames {
		if p == q {
			return name
		}
	}
	return fmt.Sprintf("Payload(%d)", uint8(p))
}

// Chunked reports whether the body is framed in chunks of aws-chunked.
func (p Payload) Chunked() bool { return p >= PayloadSignedChunks }

// SignedChunks reports whether the chunks carry signatures, which Result.Chain verifies.
func (p Payload) SignedChunks() bool {
	return p == PayloadSignedChunks || p == PayloadSignedChunksTrailer
}

// Trailer reports whether the body may end with trailers.
func (p Payload) Trailer() bool {
	return p == PayloadSignedChunksTrailer || p == PayloadUnsignedChunksTrailer
}

// parsePayload reads a value of x-amz-content-sha256; the sum is that of PayloadHash.
func parsePayload(value string) (Payload, [sha256.Size]byte, *Error) {
	var sum [sha256.Size]byte
	if p, ok := payloadNames[value]; ok {
		return p, sum, nil
	}
	if strings.HasPrefix(value, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") {
		return 0, sum, notImplemented(contentSHA256Header)
	}
	if len(value) == hex.EncodedLen(len(sum)) {
		if _, err := hex.Decode(sum[:], []byte(value)); err == nil {
			return PayloadHash, sum, nil
		}
	}
	return 0, sum, invalidArgument(contentSHA256Header, value, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "+
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
}
