package tlsnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
)

// State says whether a node can be reached from here.
type State uint8

// The states.
const (
	Connecting State = iota // not known yet; frames wait
	Up
	Down
)

// String is the word for people.
func (s State) String() string {
	return [...]string{"connecting", "up", "down"}[s]
}

const (
	dialTimeout = 5 * time.Second // of a connection, until it can be used
	backoffMin  = 50 * time.Millisecond
	backoffMax  = 2 * time.Second
)

// peer is another node as this one sees it. It is up exactly while its control stream is connected.
type peer struct {
	n       *Node
	id      id.Node
	streams [transport.Classes]*stream
	pools   [poolKinds]*pool
	link    linkStats
	served  callStats       // calls of the other node
	ctx     context.Context //nolint:containedctx // the lifetime of the peer, for calls that wait for it
	cancel  context.CancelFunc
	leave   func() bool // forgets that cancel follows Run's context; nil until the peer runs, then never changed

	mu struct {
		sync.Mutex
		state     State
		since     time.Time     // of the state
		changed   chan struct{} // closed and replaced when the state changes
		err       error         // why it is down
		version   uint16        // agreed when it came up
		address   string        // from Peers
		learned   string        // from its own hello
		onLearned bool          // dial the learned address first
		kick      chan struct{} // closed and replaced when waiting is pointless
		conns     map[*trackedConn]struct{}
		stopped   bool
	}
}

func newPeer(n *Node, who id.Node, address string) *peer {
	p := &peer{n: n, id: who}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.mu.address, p.mu.since = address, time.Now()
	p.mu.changed, p.mu.kick = make(chan struct{}), make(chan struct{})
	p.mu.conns = map[*trackedConn]struct{}{}
	for c := range p.streams {
		p.streams[c] = newStream(p, transport.Class(c), n.opt.Queues[c])
	}
	for k := range p.pools {
		p.pools[k] = newPool(p, poolKind(k))
	}
	p.mu.learned = n.inbound.learned(who)
	return p
}

// start runs the peer until ctx ends or it is stopped. A second call does nothing.
func (p *peer) start(ctx context.Context) {
	if p.leave != nil {
		return
	}
	p.leave = context.AfterFunc(ctx, p.cancel)
	for _, s := range p.streams {
		p.n.wg.Go(func() { s.run(p.ctx) })
	}
}

// spawn runs a goroutine that Run waits for, unless the peer was stopped.
func (p *peer) spawn(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.stopped || p.ctx.Err() != nil {
		return false
	}
	p.n.wg.Go(f)
	return true
}

// stop ends the peer's goroutines soon, and its connections at once.
func (p *peer) stop() {
	p.cancel()
	if p.leave != nil {
		p.leave()
	}
	p.mu.Lock()
	p.mu.stopped = true
	p.mu.Unlock()
	p.closeConns()
}

func (p *peer) closeConns() {
	p.mu.Lock()
	conns := p.mu.conns
	p.mu.conns = map[*trackedConn]struct{}{}
	p.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

// setAddress takes the address that Peers tells, and tries it at once if it is another one.
func (p *peer) setAddress(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.address != address {
		p.mu.address, p.mu.onLearned = address, false
		p.kickLocked()
	}
}

// heardFrom says that the node has connected to this one, and where it says that it can be dialled.
func (p *peer) heardFrom(advertised string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if advertised != "" {
		p.mu.learned = advertised
	}
	p.kickLocked()
}

func (p *peer) kickLocked() {
	close(p.mu.kick)
	p.mu.kick = make(chan struct{})
}

func (p *peer) state() (s State, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.state, p.mu.changed
}

func (p *peer) setState(s State, version uint16, err error) {
	p.mu.Lock()
	before, cause := p.mu.state, p.mu.err
	p.mu.err = err
	if s == Up {
		p.mu.version = version
	}
	if s != before {
		p.mu.state, p.mu.since = s, time.Now()
		close(p.mu.changed)
		p.mu.changed = make(chan struct{})
	}
	p.mu.Unlock()
	switch {
	case s == Up:
		p.n.opt.Events.Up(p.id)
	case s != before || cause == nil || cause.Error() != err.Error():
		p.n.opt.Events.Down(p.id, err)
	}
}

// ready waits until it is known whether the node is reachable, and returns the protocol version to speak with it.
func (p *peer) ready(ctx context.Context) (version uint16, err error) {
	for {
		p.mu.Lock()
		state, changed, version, cause := p.mu.state, p.mu.changed, p.mu.version, p.mu.err
		p.mu.Unlock()
		switch state {
		case Up:
			return version, nil
		case Down:
			return 0, cause
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-p.ctx.Done():
			return 0, transport.ErrUnreachable
		}
	}
}

// addresses are where the node may be, the likeliest first.
func (p *peer) addresses() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, b := p.mu.address, p.mu.learned
	if p.mu.onLearned {
		a, b = b, a
	}
	var list []string
	if a != "" {
		list = append(list, a)
	}
	if b != "" && b != a {
		list = append(list, b)
	}
	return list
}

func (p *peer) worked(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.onLearned = address != p.mu.address
}

// errNoAddress reports a member whose address is not known yet: it will connect to this node by itself.
var errNoAddress = errors.New("transport: no address of the node is known")

// dial opens a connection to the node, at whichever of its addresses it is.
func (p *peer) dial(ctx context.Context, proto string, use *meter) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	failure := errNoAddress
	for i, address := range p.addresses() {
		c, err := p.dialAddress(ctx, address, proto, use)
		if err == nil {
			p.worked(address)
			return c, nil
		}
		if i == 0 || errors.Is(failure, errNoAddress) {
			failure = fmt.Errorf("dial %s: %w", address, err)
		}
	}
	return nil, failure
}

func (p *peer) dialAddress(ctx context.Context, address, proto string, use *meter) (*tls.Conn, error) {
	raw, err := dialTCP(ctx, address, p.n.opt.DeadAfter)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: raw, meter: use, ended: p.forget}
	if !p.track(tracked) {
		_ = raw.Close()
		return nil, transport.ErrUnreachable
	}
	c := tls.Client(tracked, tlsConfig(p.n.cert, []string{proto}, p.verify))
	if err := handshake(ctx, c, proto); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (p *peer) track(c *trackedConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.stopped {
		return false
	}
	p.mu.conns[c] = struct{}{}
	return true
}

func (p *peer) forget(c *trackedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.conns, c)
}

// verify runs inside the handshake, before this node shows its own certificate.
func (p *peer) verify(s tls.ConnectionState) error {
	who, err := nodeIn(s)
	switch {
	case err != nil:
		return err
	case who != p.id:
		return fmt.Errorf("%w: node %s", ErrImpostor, who)
	default:
		return p.n.admit(who)
	}
}

// admit tells whether a node may speak with this one now.
func (n *Node) admit(who id.Node) error {
	switch n.opt.Peers.Lookup(who).Standing {
	case Member:
		return nil
	case Expelled:
		return ErrExpelled
	default:
		return ErrStranger
	}
}

// handshake completes TLS within the time of ctx, and checks that both sides speak the protocol.
func handshake(ctx context.Context, c *tls.Conn, proto string) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return turnedAway(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != proto {
		return fmt.Errorf("%w: the other side speaks %q, not %q", ErrVersion, got, proto)
	}
	return nil
}

// turnedAway makes a TLS alert of the other side readable: in TLS 1.3 the refusal of a certificate comes only after the
// handshake, with the first bytes that are read (RFC 8446, 4.4.2.4 and appendix E).
func turnedAway(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return fmt.Errorf("%w (%w)", ErrNotWelcome, err)
	}
	return err
}

// backoff paces attempts: the waits double, and vary so that nodes do not all come at once.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, backoffMin), backoffMax)
	return b.last/2 + rand.N(b.last/2+1)
}

// kicked is closed when there is a reason to try again at once.
func (p *peer) kicked() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.kick
}

// pause waits before the next attempt; a kick ends the wait.
func pause(ctx context.Context, d time.Duration, kicked <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kicked:
	case <-ctx.Done():
	}
}
