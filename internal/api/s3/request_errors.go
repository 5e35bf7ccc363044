package s3

import (
	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
)

// fromSignature and fromBody take over what the request's own parts say about it.
func fromSignature(e *sigv4.Error) *Error { return translated(e.Code, e.Message, e.Extras) }

func fromBody(e *chunked.Error) *Error { return translated(e.Code, e.Message, e.Extras).because(e.Err) }

func translated(code sigv4.Code, message string, extras []sigv4.Extra) *Error {
	t := &Error{Code: Code(code), Message: message}
	for _, x := range extras {
		t = t.with(x.Name, x.Value)
	}
	return t
}
