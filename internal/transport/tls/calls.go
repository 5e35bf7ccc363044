package tlsnet

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"grange/internal/id"
	"grange/internal/transport"
)

// Headers of calls.
const (
	headerCluster  = "Grange-Cluster"  // hexadecimal
	headerProtocol = "Grange-Protocol" // the version, decimal
	headerCode     = "Grange-Code"     // of a handler's error
	headerDetail   = "Grange-Detail"   // base64, unpadded
)

// Paths of calls: a method follows.
const (
	pathCall   = "/call/"
	pathStream = "/stream/"
)

// Status codes of calls. Any other answer than these is none of this protocol.
const (
	statusAnswer   = http.StatusOK
	statusError    = http.StatusUnprocessableEntity // the handler's error: code, detail, and the text as body
	statusMisplace = http.StatusMisdirectedRequest  // of another cluster
	statusVersion  = http.StatusUpgradeRequired     // of another protocol version
	statusRefused  = http.StatusBadRequest          // what no correct node sends
)

const (
	receiveBuffer  = 1 << 20 // of one body, while its reader is behind
	answerBytesMax = transport.FrameBytesMax
)

// callClient makes connections for calls.
type callClient struct {
	http *http.Transport
}

func (c *callClient) init(n *Node) {
	c.http = &http.Transport{
		DisableCompression: true,
		Protocols:          new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: receiveBuffer,
			SendPingTimeout:           n.opt.DeadAfter, PingTimeout: n.opt.DeadAfter,
		},
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialFor(ctx, n, address)
		},
	}
	c.http.Protocols.SetHTTP2(true)
}

// hostFor is the name of a pool of a node, for net/http; dialFor reads it.
func hostFor(who id.Node, k poolKind) string {
	return who.String() + "." + strconv.Itoa(int(k)) + ":443"
}

func dialFor(ctx context.Context, n *Node, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	name, k, _ := strings.Cut(host, ".")
	who, err := id.ParseNode(name)
	if err != nil {
		return nil, err
	}
	p := n.peer(who)
	if p == nil {
		return nil, transport.ErrUnreachable
	}
	use := &p.pools[small].stats.meter
	if k == strconv.Itoa(int(bulk)) {
		use = &p.pools[bulk].stats.meter
	}
	return p.dial(ctx, protoCalls, use)
}

// Call sends a request and waits for the answer: see transport.Caller. The node itself may be called too.
func (n *Node) Call(ctx context.Context, to id.Node, method string, request []byte) ([]byte, error) {
	if len(request) > transport.FrameBytesMax {
		return nil, fmt.Errorf("call %s: request of %d bytes, more than %d", method, len(request), transport.FrameBytesMax)
	}
	if to == n.self {
		return n.callSelf(ctx, method, request)
	}
	x, err := n.exchange(ctx, to, small, pathCall+method, bytes.NewReader(request), int64(len(request)))
	if err != nil {
		return nil, err
	}
	answer, err := readSized(x.response.Body, x.response.ContentLength, answerBytesMax)
	x.end(err)
	if err != nil {
		return nil, x.failed(ctx, err)
	}
	return answer, nil
}

func (n *Node) callSelf(ctx context.Context, method string, request []byte) ([]byte, error) {
	h := n.opt.Handlers[method]
	if h == nil {
		return nil, n.opt.Errors.Remote(n.self, method, transport.ErrUnknownMethod)
	}
	answer, err := h(ctx, n.self, request)
	if err != nil {
		return nil, n.opt.Errors.Remote(n.self, method, err)
	}
	return answer, nil
}

// CallStream sends a request with a body: see transport.StreamCaller. The node itself may be called too.
func (n *Node) CallStream(
	ctx context.Context, to id.Node, method string, request []byte, body io.Reader,
) ([]byte, io.ReadCloser, error) {
	if len(request) > transport.HeaderBytesMax {
		return nil, nil, fmt.Errorf("call %s: request of %d bytes, more than %d", method, len(request), transport.HeaderBytesMax)
	}
	if to == n.self {
		return n.streamSelf(ctx, method, request, body)
	}
	head := io.Reader(bytes.NewReader(withLength(request)))
	if body != nil {
		head = io.MultiReader(head, body)
	}
	x, err := n.exchange(ctx, to, bulk, pathStream+method, head, -1)
	if err != nil {
		return nil, nil, err
	}
	answer, err := readHead(x.response.Body)
	if err != nil {
		x.end(err)
		return nil, nil, x.failed(ctx, err)
	}
	return answer, &answerBody{ctx: ctx, x: x}, nil
}

func (n *Node) streamSelf(
	ctx context.Context, method string, request []byte, body io.Reader,
) ([]byte, io.ReadCloser, error) {
	h := n.opt.Streams[method]
	if h == nil {
		return nil, nil, n.opt.Errors.Remote(n.self, method, transport.ErrUnknownMethod)
	}
	if body == nil {
		body = http.NoBody
	}
	answer, out, err := h(ctx, n.self, request, body)
	if err != nil {
		return nil, nil, n.opt.Errors.Remote(n.self, method, err)
	}
	if out == nil {
		out = http.NoBody
	}
	return answer, out, nil
}

// exchange is one call under way.
type exchange struct {
	pool     *pool
	what     string // "call method at node"
	body     *guardedBody
	response *http.Response
	once     sync.Once
}

// exchange sends a call and waits for the beginning of its answer. It fails with a RemoteError for the handler's error.
func (n *Node) exchange(ctx context.Context, to id.Node, k poolKind, path string, body io.Reader, size int64) (*exchange, error) {
	_, method, _ := strings.Cut(path[1:], "/")
	x := &exchange{what: fmt.Sprintf("call %s at node %s", method, to.Short()), body: &guardedBody{source: body}}
	p := n.peer(to)
	if p == nil {
		return nil, unreachable(x.what, nil)
	}
	version, err := p.ready(ctx)
	if err != nil {
		return nil, x.failed(ctx, err)
	}
	x.pool = p.pools[k]
	request, err := x.request(ctx, n, to, path, version, size)
	if err != nil {
		return nil, err
	}
	if x.response, err = x.pool.send(ctx, request); err != nil { //nolint:bodyclose // the exchange closes it with its body
		x.body.stop()
		return nil, x.failed(ctx, err)
	}
	if x.response.StatusCode == statusAnswer {
		return x, nil
	}
	err = n.errorIn(x.response, to, method, x.what)
	x.end(nil)
	return nil, err
}

func (x *exchange) request(ctx context.Context, n *Node, to id.Node, path string, version uint16, size int64) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.String()+path, x.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.what, err)
	}
	r.ContentLength = size
	if size == 0 {
		r.Body = http.NoBody
	}
	r.Header = http.Header{
		headerCluster:  {hex.EncodeToString(n.opt.Cluster[:])},
		headerProtocol: {strconv.Itoa(int(version))},
		"User-Agent":   {""}, // net/http then sends none
	}
	return r, nil
}

// end gives back what the exchange holds. Nothing of the request is read afterwards. err says that there was no whole answer.
func (x *exchange) end(err error) {
	x.once.Do(func() {
		_ = x.response.Body.Close()
		x.body.stop()
		x.pool.done(err)
	})
}

// failed names the reason for which there is no answer: the caller's own time, or the network.
func (x *exchange) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", x.what, ctx.Err())
	}
	return unreachable(x.what, err)
}

// errorIn reads the answer of a call that failed over there.
func (n *Node) errorIn(r *http.Response, to id.Node, method, what string) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, textBytesMax))
	if err != nil {
		return unreachable(what, err)
	}
	message := printable(string(text))
	switch r.StatusCode {
	case statusError:
		code := r.Header.Get(headerCode)
		detail, err := base64.RawStdEncoding.DecodeString(r.Header.Get(headerDetail))
		if err != nil || len(detail) > transport.DetailBytesMax {
			return unreachable(what, fmt.Errorf("%w: details of an error", ErrCorrupt))
		}
		return &transport.RemoteError{
			Node: to, Method: method, Code: code, Message: message, Err: n.opt.Errors.Decode(code, detail),
		}
	case statusMisplace:
		return unreachable(what, &RefusedError{ReasonCluster, message})
	case statusVersion:
		return unreachable(what, &RefusedError{ReasonVersion, message})
	default:
		return unreachable(what, fmt.Errorf("%w: status %d: %s", ErrCorrupt, r.StatusCode, message))
	}
}

// guardedBody is the body of a request, which net/http may still be reading when a call has long returned. After stop it
// is not read any more, so that its bytes are the caller's again.
type guardedBody struct {
	mu      sync.Mutex
	source  io.Reader
	stopped bool
}

var errStopped = errors.New("transport: the call has ended")

func (b *guardedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return 0, errStopped
	}
	return b.source.Read(p)
}

// Close is called by net/http; the source is the caller's to close.
func (b *guardedBody) Close() error { return nil }

func (b *guardedBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
}

// answerBody is the body of a streaming call's answer.
type answerBody struct {
	ctx context.Context //nolint:containedctx // of the exchange, which ends with the body
	x   *exchange
	err error // the first that Read returned
}

// Read reads the body. A body that was cut short ends with ErrUnreachable.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.x.response.Body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.x.failed(b.ctx, err)
	}
	b.err = err
	return n, err
}

// Close ends the exchange. It may be called before the body was read to its end.
func (b *answerBody) Close() error {
	if errors.Is(b.err, io.EOF) {
		b.x.end(nil)
	} else {
		b.x.end(b.err)
	}
	b.err = errStopped
	return nil
}

// withLength puts the length of a streaming call's head before it.
func withLength(head []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(head)), uint32(len(head))), head...)
}

// readHead reads what withLength wrote.
func readHead(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > transport.HeaderBytesMax {
		return nil, fmt.Errorf("%w: head of %d bytes", ErrCorrupt, size)
	}
	return readBytes(r, int(size))
}

// readSized reads a body whose size was announced, and nothing else.
func readSized(r io.Reader, size, limit int64) ([]byte, error) {
	if size < 0 || size > limit {
		return nil, fmt.Errorf("%w: body of %d bytes", ErrCorrupt, size)
	}
	return readBytes(r, int(size))
}
