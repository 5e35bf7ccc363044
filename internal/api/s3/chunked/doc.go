// Package chunked reads the bodies of S3 uploads and holds them to what their request promised.
//
// Open picks the reader that the verified request calls for. Whatever the framing, a Body yields the object's bytes and nothing else, and
// keeps these promises:
//
//   - No byte of a signed chunk comes out of Read before the signature of the whole chunk was verified.
//   - The last byte comes out only after everything behind it was read and verified: the final chunk, the trailers and their
//     signature, the hash of a plain body, and the end of the request. A caller that stops at the announced length is as safe
//     as one that reads to io.EOF. (The exception is a plain body of unknown length, where the error comes in place of io.EOF.)
//   - Errors stick: after one, every Read returns it.
//
// A body that breaks a promise gives an *Error, or a *sigv4.Error for a wrong signature. Other errors are those of the source.
//
// # Format
//
// An aws-chunked body is a list of chunks, of which only the last has no data, and then the trailers if the payload has them:
//
//	chunk    = size-in-hex [";chunk-signature=" 64*hex] CRLF data CRLF
//	last     = "0" [";chunk-signature=" 64*hex] CRLF
//	trailers = *(name ":" value CRLF) ["x-amz-trailer-signature:" 64*hex CRLF]
//	body     = *chunk last trailers CRLF
//
// Two deviations of clients are read as well: the end of a trailer may be LF or LF CRLF (minio-go sends the latter), and one empty line may
// stand before the trailers. Sources: S3 API reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
// Chunks may be of any size; S3 itself wants all but the last to have 8 KiB.
//
// A Body belongs to one goroutine. Its memory is bounded: 4 KiB, and the largest signed chunk when Read gets smaller buffers than that.
package chunked
