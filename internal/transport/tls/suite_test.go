package tlsnet_test

import (
	"context"
	"crypto/ed25519"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
	"grange/internal/transport/transporttest"
)

var cluster = [16]byte{'c', 'l', 'u', 's', 't', 'e', 'r'}

// peers is a list of members that tests change.
type peers struct {
	mu struct {
		sync.Mutex
		all map[id.Node]tlsnet.Peer
	}
}

func newPeers() *peers {
	p := new(peers)
	p.mu.all = map[id.Node]tlsnet.Peer{}
	return p
}

func (p *peers) set(n id.Node, peer tlsnet.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.all[n] = peer
}

func (p *peers) Lookup(n id.Node) tlsnet.Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.all[n]
}

func (p *peers) Members() (list []id.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, peer := range p.mu.all {
		if peer.Standing == tlsnet.Member {
			list = append(list, n)
		}
	}
	return list
}

// key is the key of a test's node.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), n))
}

func nodeID(n byte) id.Node { return tlsnet.NodeOf(key(n).Public().(ed25519.PublicKey)) }

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// events notes what a node reports.
type events struct {
	mu      sync.Mutex
	refused []error
	down    []error
	seen    map[id.Node]string
	from    map[id.Node]netip.AddrPort
}

func (e *events) options() tlsnet.Events {
	return tlsnet.Events{
		Refused: func(_ netip.Addr, _ id.Node, err error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.refused = append(e.refused, err)
		},
		Down: func(_ id.Node, err error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.down = append(e.down, err)
		},
		AddressSeen: func(n id.Node, advertised string, from netip.AddrPort) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.seen == nil {
				e.seen, e.from = map[id.Node]string{}, map[id.Node]netip.AddrPort{}
			}
			e.seen[n], e.from[n] = advertised, from
		},
	}
}

// lists gives copies of what was reported.
func (e *events) lists() (refused, down []error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]error(nil), e.refused...), append([]error(nil), e.down...)
}

// world is a few nodes on loopback that know each other.
type world struct {
	t     testing.TB
	peers *peers
	nodes map[byte]*testNode
}

// testNode is one of them, with what it got and reported.
type testNode struct {
	*tlsnet.Node
	got    *transporttest.Recorder
	events *events
	listen net.Listener
	stop   func()
}

func newWorld(t testing.TB) *world {
	return &world{t: t, peers: newPeers(), nodes: map[byte]*testNode{}}
}

// options are those of node n, on a new port, which the others are told.
func (w *world) options(n byte) tlsnet.Options {
	l := listen(w.t)
	w.peers.set(nodeID(n), tlsnet.Peer{Standing: tlsnet.Member, Address: l.Addr().String()})
	return tlsnet.Options{
		Key: key(n), Cluster: cluster, Listener: l, Address: l.Addr().String(), Peers: w.peers,
		DeadAfter: 500 * time.Millisecond,
	}
}

// run starts a node with options; its recorder may be nil.
func (w *world) run(n byte, o tlsnet.Options, r *transporttest.Recorder) *testNode {
	w.t.Helper()
	if r == nil {
		r = new(transporttest.Recorder)
	}
	node := &testNode{got: r, events: new(events), listen: o.Listener}
	o.Events = node.events.options()
	var err error
	if node.Node, err = tlsnet.New(o); err != nil {
		w.t.Fatal(err)
	}
	node.stop = transporttest.Start(w.t, end(node.Node), r)
	w.nodes[n] = node
	for _, other := range w.nodes {
		other.PeersChanged()
	}
	return node
}

func end(n *tlsnet.Node) transporttest.End {
	return transporttest.End{ID: n.ID(), Sender: n, Caller: n, StreamCaller: n, Run: n.Run}
}

func TestSuite(t *testing.T) {
	transporttest.Run(t, func(t testing.TB, nodes int, c transporttest.Config) []transporttest.End {
		w := newWorld(t)
		var options []tlsnet.Options
		for i := range nodes {
			options = append(options, w.options(byte(i+1)))
		}
		var ends []transporttest.End
		for _, o := range options {
			o.Handlers, o.Streams, o.Errors = c.Handlers, c.Streams, c.Errors
			n, err := tlsnet.New(o)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, end(n))
		}
		return ends
	})
}

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func source(n byte, class transport.Class) transporttest.Source {
	return transporttest.Source{From: nodeID(n), Class: class}
}
