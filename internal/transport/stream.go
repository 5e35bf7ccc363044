package transport

import (
	"context"
	"io"

	"grange/internal/id"
)

// HeaderBytesMax bounds the request and the answer of a streaming call, without their bodies.
const HeaderBytesMax = 1 << 20

// StreamCaller calls methods whose requests and answers carry a body of any length, such as blocks. Bodies are sent
// as they are read, with flow control.
type StreamCaller interface {
	// CallStream sends a request with a body (nil for none), and returns the answer and its body, which the caller must
	// close. The body of the request is read by another goroutine; it is not read any more once CallStream has returned
	// an error or the answer's body was closed. Errors are those of [Caller]; a body that was cut short ends with one
	// too, never with io.EOF. The context is for the whole exchange, until the answer's body is closed.
	CallStream(ctx context.Context, to id.Node, method string, request []byte, body io.Reader) (answer []byte, out io.ReadCloser, err error)
}

// StreamHandler serves the streaming calls of one method. It may read body until the answer's body was sent, and no
// longer. out, which may be nil, is read to its end and closed; an error that it returns cuts the answer short.
type StreamHandler func(ctx context.Context, from id.Node, request []byte, body io.Reader) (answer []byte, out io.ReadCloser, err error)
