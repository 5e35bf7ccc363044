package chunked

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"grange/internal/api/s3/sigv4"
	"grange/internal/checksum"
)

const trailersMax = 16 // names in x-amz-trailer

// Body is the content of an upload.
type Body interface {
	io.Reader
	// Size returns the number of bytes that Read will yield, or -1 when the request does not tell.
	Size() int64
	// Trailer returns the trailers by lower-case name. It is nil until the last byte was read, and when there are none.
	Trailer() map[string]string
}

// Open returns the content of a verified request's body. The error is an *Error when the headers that describe the body are missing or
// do not fit each other.
func Open(r *http.Request, auth *sigv4.Result) (Body, error) {
	announced, err := announcedTrailers(r.Header)
	if err != nil {
		return nil, err
	}
	if len(announced) > 0 && !auth.Payload.Trailer() {
		return nil, &Error{Code: sigv4.InvalidRequest, Message: "The header x-amz-trailer needs a payload with trailers."}
	}
	if !auth.Payload.Chunked() {
		if auth.Payload == sigv4.PayloadHash {
			return NewPlain(r.Body, r.ContentLength, &auth.PayloadSHA256), nil
		}
		return NewPlain(r.Body, r.ContentLength, nil), nil
	}
	size, err := decodedLength(r.Header)
	if err != nil {
		return nil, err
	}
	o := Options{Size: size, Trailer: auth.Payload.Trailer(), Announced: announced}
	if auth.Payload.SignedChunks() {
		o.Signatures = auth.Chain()
	}
	return NewReader(r.Body, o), nil
}

// decodedLength reads x-amz-decoded-content-length, which every aws-chunked body needs.
func decodedLength(h http.Header) (int64, error) {
	values := h.Values("X-Amz-Decoded-Content-Length")
	if len(values) == 0 {
		return 0, &Error{Code: MissingContentLength, Message: "You must provide the Content-Length HTTP header."}
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || len(values) > 1 {
		return 0, &Error{Code: sigv4.InvalidRequest, Message: "The value of x-amz-decoded-content-length is not valid."}
	}
	return int64(n), nil
}

// announcedTrailers reads x-amz-trailer. Like S3 it accepts checksums only: another trailer would be lost without a word.
func announcedTrailers(h http.Header) ([]string, error) {
	var names []string
	for _, value := range h.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if _, ok := checksum.ParseHeader(name); !ok || len(names) == trailersMax {
				return nil, &Error{
					Code:    sigv4.InvalidRequest,
					Message: "The value specified in the x-amz-trailer header is not supported",
				}
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// StripEncoding returns a Content-Encoding without aws-chunked, which is how the body travels and not how the object is encoded:
// "aws-chunked,gzip" becomes "gzip", and "aws-chunked" the empty string. Values without it come back as they are.
func StripEncoding(contentEncoding string) string {
	var kept []string
	stripped := false
	for coding := range strings.SplitSeq(contentEncoding, ",") {
		coding = strings.TrimSpace(coding)
		switch {
		case strings.EqualFold(coding, "aws-chunked"):
			stripped = true
		case coding != "":
			kept = append(kept, coding)
		}
	}
	if !stripped {
		return contentEncoding
	}
	return strings.Join(kept, ",")
}
