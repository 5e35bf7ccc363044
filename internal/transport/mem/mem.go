// Package mem is the transport within one process, for tests: the same order, the same bounds, and links that can be
// cut.
package mem

import (
	"context"
	"fmt"
	"sync"

	"grange/internal/id"
	"grange/internal/transport"
)

// queueFrames bounds the frames that wait on one stream, by class.
var queueFrames = [transport.Classes]int{transport.Control: 1024, transport.Log: 1024, transport.Bulk: 8}

// streamsMax bounds the streams to a node that has not begun to run.
const streamsMax = 1024

// Network joins the nodes of one process.
type Network struct {
	mu struct {
		sync.Mutex
		nodes map[id.Node]*Node
		cut   map[[2]id.Node]bool
	}
	codes transport.ErrorCodes
}

// New makes a network without nodes.
func New() *Network {
	n := new(Network)
	n.mu.nodes = map[id.Node]*Node{}
	n.mu.cut = map[[2]id.Node]bool{}
	return n
}

// SetErrorCodes names the errors that keep their kind between nodes. It is called before any call.
func (n *Network) SetErrorCodes(c transport.ErrorCodes) { n.codes = c }

// Cut stops, or with false restores, what from sends to to. The other direction is not touched.
func (n *Network) Cut(from, to id.Node, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.cut[[2]id.Node{from, to}] = cut
}

// Isolate cuts, or restores, all links of one node.
func (n *Network) Isolate(node id.Node, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.mu.nodes {
		n.mu.cut[[2]id.Node{node, other}] = cut
		n.mu.cut[[2]id.Node{other, node}] = cut
	}
}

func (n *Network) find(from, to id.Node) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.cut[[2]id.Node{from, to}] {
		return nil
	}
	return n.mu.nodes[to]
}

// Node is one end of the network.
type Node struct {
	net      *Network
	self     id.Node
	handlers map[string]transport.Handler
	streams  map[string]transport.StreamHandler
	mu       struct {
		sync.Mutex
		streams map[stream]chan []byte
	}
	incoming chan stream // new streams to this node, for Run
	stopped  chan struct{}
}

type stream struct {
	from  id.Node
	class transport.Class
	queue chan []byte
}

var (
	_ transport.Sender = (*Node)(nil)
	_ transport.Caller = (*Node)(nil)
)

// Join adds a node. It receives from when Run is called. Handlers serve calls by the name of their method.
func (n *Network) Join(self id.Node, handlers map[string]transport.Handler) *Node {
	node := &Node{
		net: n, self: self, handlers: handlers,
		incoming: make(chan stream, streamsMax), stopped: make(chan struct{}),
	}
	node.mu.streams = map[stream]chan []byte{}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.nodes[self] = node
	return node
}

// Run hands what arrives to r until ctx ends; then the node is gone from the network.
func (n *Node) Run(ctx context.Context, r transport.Receiver) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer n.leave()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-n.incoming:
			wg.Go(func() { n.deliver(ctx, s, r) })
		}
	}
}

func (n *Node) leave() {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	if n.net.mu.nodes[n.self] == n {
		delete(n.net.mu.nodes, n.self)
	}
	close(n.stopped)
}

func (n *Node) deliver(ctx context.Context, s stream, r transport.Receiver) {
	for {
		select {
		case <-ctx.Done():
			return
		case frame := <-s.queue:
			r.Receive(ctx, s.from, s.class, frame)
		}
	}
}

// Send queues a frame for another node.
func (n *Node) Send(to id.Node, class transport.Class, frame []byte) error {
	if len(frame) > transport.FrameBytesMax {
		return fmt.Errorf("send %d bytes: %w", len(frame), transport.ErrQueueFull)
	}
	peer := n.net.find(n.self, to)
	if peer == nil {
		return fmt.Errorf("send to node %s: %w", to.Short(), transport.ErrUnreachable)
	}
	select {
	case peer.stream(n.self, class) <- frame:
		return nil
	default:
		return fmt.Errorf("send to node %s: %w", to.Short(), transport.ErrQueueFull)
	}
}

// stream is the queue of what a node sends to this one in a class.
func (n *Node) stream(from id.Node, class transport.Class) chan []byte {
	key := stream{from: from, class: class}
	n.mu.Lock()
	defer n.mu.Unlock()
	q := n.mu.streams[key]
	if q == nil {
		q = make(chan []byte, queueFrames[class])
		n.mu.streams[key] = q
		key.queue = q
		n.incoming <- key
	}
	return q
}

// Call runs a handler of another node on the caller's goroutine.
func (n *Node) Call(ctx context.Context, to id.Node, method string, request []byte) ([]byte, error) {
	peer := n.net.find(n.self, to)
	if peer == nil || n.net.find(to, n.self) == nil {
		return nil, fmt.Errorf("call %s at node %s: %w", method, to.Short(), transport.ErrUnreachable)
	}
	h := peer.handlers[method]
	if h == nil {
		return nil, n.net.codes.Remote(to, method, transport.ErrUnknownMethod)
	}
	answer, err := h(ctx, n.self, request)
	if err != nil {
		return nil, n.net.codes.Remote(to, method, err)
	}
	return answer, nil
}
