// Package sigv4 answers who sent an S3 request: it verifies AWS Signature Version 4 in all forms that S3 knows, and is the only
// place that does.
//
// A Verifier takes the request and gives a Result or an *Error; it writes no answer and reads no body. The forms are
//
//   - the Authorization header,
//   - a presigned query (X-Amz-Algorithm and its companions),
//   - no credentials at all, which makes an anonymous Result,
//   - the fields of a browser's POST, with VerifyPostPolicy (only the signature; the conditions of the policy are the caller's).
//
// What a Result promises: the method, the path, the query, the host, every x-amz-* header and every header in SignedHeaders are
// those that the holder of the secret signed, within the allowed time. A request with an x-amz-* header that is not signed is
// refused, so that a caller may honour all of them. Result.Path and Result.Query are what was signed, decoded exactly once:
// a caller that uses them, and not the fields of http.Request, cannot act on something else than was verified.
// Result.Payload says what the signature promises about the body; package chunked holds the body to it.
//
// The canonical path is made from the decoded path, each byte outside A-Z a-z 0-9 - . _ ~ / escaped once, whichever characters the
// client escaped on the wire. Nothing is cleaned: a key may contain "..", "//" and any byte.
//
// Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
//
// A Verifier may be used concurrently. Secrets and signing keys appear in no error; header values that are themselves secrets
// (customer encryption keys, session tokens) are blanked in the canonical request that an error shows to the client.
package sigv4
