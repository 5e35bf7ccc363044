package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"grange/internal/id"
	"grange/internal/transport"
)

var _ transport.StreamCaller = (*Node)(nil)

// ServeStreams sets the handlers of streaming calls. It is called before the first call.
func (n *Node) ServeStreams(handlers map[string]transport.StreamHandler) { n.streams = handlers }

// CallStream runs a handler of another node on the caller's goroutine.
func (n *Node) CallStream(
	ctx context.Context, to id.Node, method string, request []byte, body io.Reader,
) ([]byte, io.ReadCloser, error) {
	peer := n.net.find(n.self, to)
	if peer == nil || n.net.find(to, n.self) == nil {
		return nil, nil, fmt.Errorf("call %s at node %s: %w", method, to.Short(), transport.ErrUnreachable)
	}
	h := peer.streams[method]
	if h == nil {
		return nil, nil, n.net.codes.Remote(to, method, transport.ErrUnknownMethod)
	}
	if body == nil {
		body = bytes.NewReader(nil)
	}
	answer, out, err := h(ctx, n.self, request, body)
	if err != nil {
		return nil, nil, n.net.codes.Remote(to, method, err)
	}
	if out == nil {
		out = io.NopCloser(bytes.NewReader(nil))
	}
	return answer, out, nil
}
