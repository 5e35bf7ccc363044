package tlsnet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"grange/internal/id"
	"grange/internal/transport"
)

// The protocol versions that this program speaks. A version is added when frames, calls or their headers change so that an older
// program would misread them.
//
//	1: the first.
const (
	versionMin = 1
	versionMax = 1
)

// Node is this node's end of the network.
type Node struct {
	opt        Options
	self       id.Node
	boot       uint64
	versionMin uint16
	versionMax uint16
	server     *tls.Config
	cert       tls.Certificate
	receiver   transport.Receiver // set by Run before anything else starts

	changed chan struct{} // holds a token after PeersChanged
	entry   entry
	inbound inboundTable
	calls   callClient
	serving callServer
	joins   joinLimits
	refused quiet
	wg      sync.WaitGroup // the goroutines of peers and connections

	mu struct {
		sync.RWMutex
		peers map[id.Node]*peer
	}
}

var (
	_ transport.Sender       = (*Node)(nil)
	_ transport.Caller       = (*Node)(nil)
	_ transport.StreamCaller = (*Node)(nil)
)

// New makes a node. Nothing is sent or accepted before Run.
func New(o Options) (*Node, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	cert, err := certificate(o.Key)
	if err != nil {
		return nil, err
	}
	n := &Node{
		opt: o.withDefaults(), self: NodeOf(publicOf(o.Key)), versionMin: versionMin, versionMax: versionMax, cert: cert,
		changed: make(chan struct{}, 1),
	}
	var boot [8]byte
	_, _ = rand.Read(boot[:]) // never fails: crypto/rand.Read ends the program instead
	n.boot = binary.BigEndian.Uint64(boot[:])
	n.mu.peers = map[id.Node]*peer{}
	n.server = n.serverConfig()
	n.entry.init()
	n.inbound.init()
	n.joins.init()
	n.refused.init()
	n.calls.init(n)
	n.serving.init(n)
	n.reconcile()
	return n, nil
}

// ID is this node.
func (n *Node) ID() id.Node { return n.self }

// Run connects to the members, and hands what they send to r, until ctx ends. It returns nil after a clean stop, or the
// error with which the listener failed. It may be called once. When it returns, nothing is running any more.
func (n *Node) Run(ctx context.Context, r transport.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.receiver = r
	accepted := make(chan error, 1)
	n.wg.Go(func() { accepted <- n.accept(ctx) })
	n.wg.Go(func() { n.serving.run(ctx) })
	n.wg.Go(func() { <-ctx.Done(); _ = n.opt.Listener.Close() })
	err := n.follow(ctx, accepted)
	cancel()
	n.inbound.closeAll()
	n.wg.Wait()
	for _, p := range n.sortedPeers() {
		p.stop() // ends the connections of calls, which belong to no goroutine of ours
	}
	return err
}

// follow keeps to who is a member, until ctx or the listener ends.
func (n *Node) follow(ctx context.Context, accepted <-chan error) error {
	for {
		n.inbound.closeIf(func(who id.Node) bool { return n.opt.Peers.Lookup(who).Standing != Member })
		n.reconcile()
		n.startPeers(ctx)
		select {
		case <-ctx.Done():
			return nil
		case err := <-accepted:
			if ctx.Err() != nil {
				return nil //nolint:nilerr // asked to stop, which closes the listener
			}
			return fmt.Errorf("accept connections of nodes at %s: %w", n.opt.Listener.Addr(), err)
		case <-n.changed:
		}
	}
}

// PeersChanged says that Peers may answer differently now. Connections of nodes that are no members any more are
// closed at once, and new members are dialled.
func (n *Node) PeersChanged() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// reconcile makes the list of peers what Peers says.
func (n *Node) reconcile() {
	wanted := map[id.Node]string{}
	for _, m := range n.opt.Peers.Members() {
		if p := n.opt.Peers.Lookup(m); m != n.self && p.Standing == Member {
			wanted[m] = p.Address
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for who, p := range n.mu.peers {
		if _, stays := wanted[who]; !stays {
			p.stop()
			delete(n.mu.peers, who)
		}
	}
	for who, address := range wanted {
		if p := n.mu.peers[who]; p != nil {
			p.setAddress(address)
		} else {
			n.mu.peers[who] = newPeer(n, who, address)
		}
	}
}

func (n *Node) startPeers(ctx context.Context) {
	for _, p := range n.sortedPeers() {
		p.start(ctx)
	}
}

func (n *Node) peer(who id.Node) *peer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.mu.peers[who]
}

func (n *Node) sortedPeers() []*peer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.SortedFunc(maps.Values(n.mu.peers), func(a, b *peer) int {
		return slices.Compare(a.id[:], b.id[:])
	})
}

// Send queues a frame for another node: see transport.Sender. A node that is not reachable now gets nothing later either.
func (n *Node) Send(to id.Node, class transport.Class, frame []byte) error {
	if len(frame) > transport.FrameBytesMax {
		return fmt.Errorf("send %d bytes to node %s, more than %d: %w", len(frame), to.Short(), transport.FrameBytesMax, transport.ErrQueueFull)
	}
	p := n.peer(to)
	if p == nil {
		return fmt.Errorf("send to node %s: %w", to.Short(), transport.ErrUnreachable)
	}
	s := p.streams[class]
	if err := s.queue.push(seal(kindData, frame)); err != nil {
		s.stats.dropped.Add(1)
		return fmt.Errorf("send to node %s: %w", to.Short(), err)
	}
	return nil
}

// hello is what this node says first.
func (n *Node) hello(class uint8) hello {
	return hello{
		MinVersion: n.versionMin, MaxVersion: n.versionMax, Cluster: n.opt.Cluster, Node: n.self, Boot: n.boot,
		Class: class, Address: n.opt.Address,
	}
}

// greet says hello and waits for the welcome.
func greet(c io.ReadWriter, h hello) (welcome, error) {
	e := seal(kindHello, h.encode())
	if _, err := c.Write(append(e.header[:], e.payload...)); err != nil {
		return welcome{}, turnedAway(err)
	}
	answer, err := readEnvelope(c, kindWelcome, kindRefusal)
	if err != nil {
		return welcome{}, turnedAway(err)
	}
	if answer.kind() == kindRefusal {
		return welcome{}, refusalIn(answer)
	}
	w, err := decodeWelcome(answer.payload)
	if err == nil && (w.Version < h.MinVersion || w.Version > h.MaxVersion) {
		err = fmt.Errorf("%w: welcome in version %d", ErrCorrupt, w.Version)
	}
	return w, err
}

func refusalIn(e envelope) error {
	r, err := decodeRefusal(e.payload)
	if err != nil {
		return err
	}
	return r
}
