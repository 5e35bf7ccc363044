package transport

import (
	"errors"
	"fmt"

	"grange/internal/id"
)

// RemoteError is an error that the called node's handler returned. Where both ends know its code, Err is the same
// sentinel or type as over there, so that errors.Is and errors.As work across the network.
type RemoteError struct {
	Node    id.Node
	Method  string
	Code    string // names the kind of the error; empty when it has none
	Message string // for people
	Err     error  // what the code stands for on this node; nil when it is not known here
}

// Error describes the failure.
func (e *RemoteError) Error() string {
	return "transport: " + e.Method + " at node " + e.Node.Short() + ": " + e.Message
}

// Unwrap gives errors.Is and errors.As the error that the code stands for.
func (e *RemoteError) Unwrap() error { return e.Err }

// The codes that implementations use themselves.
const (
	// CodeUnknownMethod says that the other node does not serve the method: its program may be older.
	CodeUnknownMethod = "transport/unknown-method"
	// CodePanic says that the handler failed by a bug.
	CodePanic = "transport/panic"
)

// ErrUnknownMethod reports a method that the called node does not serve. It may have an older program.
var ErrUnknownMethod = errors.New("transport: unknown method")

// ErrorCode says how one kind of error travels between nodes. Codes are sent, and never change their meaning.
type ErrorCode struct {
	code string
	// encode tells whether the error is of this kind, and gives what travels besides code and text.
	encode func(err error) (detail []byte, ok bool)
	decode func(detail []byte) error
}

// Sentinel lets an error that is only a fact travel.
func Sentinel(code string, sentinel error) ErrorCode {
	return ErrorCode{
		code:   code,
		encode: func(err error) ([]byte, bool) { return nil, errors.Is(err, sentinel) },
		decode: func([]byte) error { return sentinel },
	}
}

// Typed lets errors with values travel. The bytes of encode, at most [DetailBytesMax], are sent, and need a version
// where they may change; decode gets what any node sent.
func Typed[T error](code string, encode func(T) []byte, decode func(detail []byte) (T, error)) ErrorCode {
	return ErrorCode{
		code: code,
		encode: func(err error) ([]byte, bool) {
			if e, ok := errors.AsType[T](err); ok {
				return encode(e), true
			}
			return nil, false
		},
		decode: func(detail []byte) error {
			e, err := decode(detail)
			if err != nil {
				return fmt.Errorf("details of %s: %w", code, err)
			}
			return e
		},
	}
}

// DetailBytesMax bounds the details of an error.
const DetailBytesMax = 4 << 10

// ErrorCodes are the kinds of errors that travel, the same list on every node. The first kind that fits is sent.
type ErrorCodes []ErrorCode

// Encode gives the code and the details of an error; no code when the list has none for it.
func (c ErrorCodes) Encode(err error) (code string, detail []byte) {
	if errors.Is(err, ErrUnknownMethod) {
		return CodeUnknownMethod, nil
	}
	for _, k := range c {
		if detail, ok := k.encode(err); ok && len(detail) <= DetailBytesMax {
			return k.code, detail
		}
	}
	return "", nil
}

// Decode gives the error that a code and details stand for; nil when the list does not have the code.
func (c ErrorCodes) Decode(code string, detail []byte) error {
	if code == CodeUnknownMethod {
		return ErrUnknownMethod
	}
	for _, k := range c {
		if code != "" && k.code == code {
			return k.decode(detail)
		}
	}
	return nil
}

// Remote makes the error that the caller of a handler sees, as if err had travelled.
func (c ErrorCodes) Remote(node id.Node, method string, err error) *RemoteError {
	code, detail := c.Encode(err)
	return &RemoteError{Node: node, Method: method, Code: code, Message: err.Error(), Err: c.Decode(code, detail)}
}
