package chunked

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"grange/internal/api/s3/sigv4"
)

// The codes that this package answers with, besides sigv4.InvalidRequest and sigv4.SignatureDoesNotMatch.
const (
	IncompleteBody            sigv4.Code = "IncompleteBody"
	MalformedTrailerError     sigv4.Code = "MalformedTrailerError"
	MissingContentLength      sigv4.Code = "MissingContentLength"
	XAmzContentSHA256Mismatch sigv4.Code = "XAmzContentSHA256Mismatch"
)

// Error is a body that is not what its request promised, in the form that an S3 client sees.
type Error struct {
	Code    sigv4.Code
	Message string
	Extras  []sigv4.Extra // further elements of the XML document, in order
	Err     error         // the cause for our log, or nil: io.ErrUnexpectedEOF for a body that ends early
}

// Error returns the code, the message and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("chunked: %s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("chunked: %s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches on the code, so that errors.Is(err, &Error{Code: IncompleteBody}) reads well.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

func malformedFraming(what string) error {
	return &Error{Code: sigv4.InvalidRequest, Message: "The aws-chunked body is malformed: " + what}
}

func malformedTrailer(what string) error {
	return &Error{
		Code:    MalformedTrailerError,
		Message: "The request contained trailing data that was not well-formed or did not conform to our published schema.",
		Err:     errors.New(what),
	}
}

func wrongLength(cause error) error {
	return &Error{
		Code:    IncompleteBody,
		Message: "You did not provide the number of bytes specified by the Content-Length HTTP header",
		Err:     cause,
	}
}

func wrongHash(promised, computed []byte) error {
	return &Error{
		Code:    XAmzContentSHA256Mismatch,
		Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
		Extras: []sigv4.Extra{
			{Name: "ClientComputedContentSHA256", Value: hex.EncodeToString(promised)},
			{Name: "S3ComputedContentSHA256", Value: hex.EncodeToString(computed)},
		},
	}
}

// sourceError is an error of the source where more bytes were due.
func sourceError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrongLength(io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read body: %w", err)
}
