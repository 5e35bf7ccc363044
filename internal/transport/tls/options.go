package tlsnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
)

// Standing is what a node may do here.
type Standing uint8

// The standings. The zero value is the safe one.
const (
	Stranger Standing = iota // gets nothing, but may ask to join
	Member
	Expelled // gets nothing for ever
)

// Peer is what is known about a node.
type Peer struct {
	Standing Standing
	Address  string // host:port; may be empty when it is not known
}

// Peers says who is known. Both methods are called from many goroutines and must not block.
type Peers interface {
	// Lookup is asked about the other node at each handshake, and about all nodes after [Node.PeersChanged].
	Lookup(n id.Node) Peer
	// Members lists the nodes to stay in touch with. This node may be among them, and is left out.
	Members() []id.Node
}

// JoinHandler answers the one call that a stranger may make. It has proven that it is node from, and nothing else: the
// request must hold the secret that lets it in. What an error says is told to the stranger.
type JoinHandler func(ctx context.Context, from id.Node, request []byte) (answer []byte, err error)

// Options say how a node speaks with others. Key, Cluster, Listener and Peers must be given.
type Options struct {
	// Key is the node's key; the node is NodeOf its public part.
	Key ed25519.PrivateKey
	// Cluster is the id of the cluster. Nodes of another cluster are refused.
	Cluster [16]byte
	// Listener accepts TCP connections of other nodes. Run closes it.
	Listener net.Listener
	// Address is where others can dial this node, host:port, which they are told. At most 255 bytes; may be empty.
	Address string
	// Peers says who is a member.
	Peers Peers
	// Handlers serve calls and Streams serve streaming calls, by the name of their method (letters, digits, '-', '.', '/').
	Handlers map[string]transport.Handler
	Streams  map[string]transport.StreamHandler
	// Errors are the kinds of errors that keep their kind between nodes.
	Errors transport.ErrorCodes
	// Join lets strangers ask to join; nil keeps them out before the first byte.
	Join JoinHandler
	// Events are called on what the operator or the node must know.
	Events Events
	// Logger gets what net/http says, at the debug level, and panics of handlers; nil drops it.
	Logger *slog.Logger
	// Queues bound what waits to be sent to one node, by class; zero fields take the defaults.
	Queues [transport.Classes]QueueLimits
	// DeadAfter is how long a node may be silent on its control stream before it counts as unreachable; 0 means 2 s.
	DeadAfter time.Duration
}

// Events are reports to the operator. Each may be nil. They are called from the node's goroutines and must return soon.
type Events struct {
	// Up says that a node is reachable from here.
	Up func(n id.Node)
	// Down says that a node is not reachable any more, or for another reason than before.
	Down func(n id.Node, err error)
	// Refused says that a connection was turned away; the same reason from the same host is told once a minute. The node is zero when
	// it did not prove who it is.
	Refused func(remote netip.Addr, n id.Node, err error)
	// AddressSeen says that a member has connected, where it says that it can be dialled (may be empty; nothing
	// vouches for it but the member itself), and where the connection came from.
	AddressSeen func(n id.Node, advertised string, from netip.AddrPort)
}

const defaultDeadAfter = 2 * time.Second

// defaultQueues: control frames are small and soon stale; log frames are bounded by raft's own window; a snapshot's
// chunks wait at their source.
var defaultQueues = [transport.Classes]QueueLimits{
	transport.Control: {Frames: 1024, Bytes: 4 << 20},
	transport.Log:     {Frames: 1024, Bytes: 32 << 20},
	transport.Bulk:    {Frames: 16, Bytes: 16 << 20},
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.DeadAfter == 0 {
		o.DeadAfter = defaultDeadAfter
	}
	for c := range o.Queues {
		if o.Queues[c] == (QueueLimits{}) {
			o.Queues[c] = defaultQueues[c]
		}
	}
	e := &o.Events
	if e.Up == nil {
		e.Up = func(id.Node) {}
	}
	if e.Down == nil {
		e.Down = func(id.Node, error) {}
	}
	if e.Refused == nil {
		e.Refused = func(netip.Addr, id.Node, error) {}
	}
	if e.AddressSeen == nil {
		e.AddressSeen = func(id.Node, string, netip.AddrPort) {}
	}
	return o
}

func (o *Options) validate() error {
	switch {
	case len(o.Key) != ed25519.PrivateKeySize:
		return errors.New("transport: no key of the node was given")
	case o.Cluster == [16]byte{}:
		return errors.New("transport: no cluster was given")
	case o.Listener == nil || o.Peers == nil:
		return errors.New("transport: no listener or no peers were given")
	case len(o.Address) > 255:
		return errors.New("transport: the node's address is longer than 255 bytes; give a shorter name")
	default:
		return nil
	}
}
