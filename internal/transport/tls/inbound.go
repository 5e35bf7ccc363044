package tlsnet

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
)

const (
	connsPerMember = 32
	probeTimeout   = time.Second
)

// member is a connection of another node to this one.
type member struct {
	trackedConn
	tls    *tls.Conn
	node   id.Node
	inside func() // gives back the place among those that are not known yet
	end    func() // ends deliveries

	// Of frame connections, set before they are claimed.
	hello hello
	done  chan struct{} // closed when nothing of it will be delivered any more
	pongs chan struct{} // holds a token after a pong
	write sync.Mutex    // of pongs and probes
}

// inboundTable holds the connections of members to this node.
type inboundTable struct {
	mu struct {
		sync.Mutex
		conns   map[id.Node]map[*member]struct{}
		streams map[inboundKey]*member // frame connections
		closed  bool
	}
}

type inboundKey struct {
	node  id.Node
	class uint8
}

func (t *inboundTable) init() {
	t.mu.conns = map[id.Node]map[*member]struct{}{}
	t.mu.streams = map[inboundKey]*member{}
}

func (t *inboundTable) add(m *member) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	conns := t.mu.conns[m.node]
	switch {
	case t.mu.closed:
		return net.ErrClosed
	case len(conns) >= connsPerMember:
		return ErrBusy
	case conns == nil:
		conns = map[*member]struct{}{}
		t.mu.conns[m.node] = conns
	}
	conns[m] = struct{}{}
	return nil
}

func (t *inboundTable) forget(m *member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.conns[m.node], m)
	if len(t.mu.conns[m.node]) == 0 {
		delete(t.mu.conns, m.node)
	}
}

// closeIf closes the connections of the nodes that satisfy a condition, which is asked without a lock held.
func (t *inboundTable) closeIf(condition func(id.Node) bool) {
	t.mu.Lock()
	var nodes []id.Node
	for who := range t.mu.conns {
		nodes = append(nodes, who)
	}
	t.mu.Unlock()
	for _, who := range nodes {
		if condition(who) {
			t.closeNode(who)
		}
	}
}

func (t *inboundTable) closeNode(who id.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m := range t.mu.conns[who] {
		m.cut()
	}
}

func (t *inboundTable) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.closed = true
	for _, conns := range t.mu.conns {
		for m := range conns {
			m.cut()
		}
	}
}

// learned is where a connected node says that it can be dialled.
func (t *inboundTable) learned(who id.Node) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for class := range uint8(transport.Classes) {
		if m := t.mu.streams[inboundKey{who, class}]; m != nil && m.hello.Address != "" {
			return m.hello.Address
		}
	}
	return ""
}

// cut ends the connection without a word, and its deliveries.
func (m *member) cut() {
	m.end()
	_ = m.Conn.Close()
}

// serveFrames hands the frames of a connection to the receiver until it ends.
func (n *Node) serveFrames(ctx context.Context, m *member) {
	defer func() { _ = m.tls.Close() }() // the connection is over either way
	err := n.receiveHello(ctx, m)
	if err == nil {
		defer n.inbound.release(m)
		err = n.agreeWith(ctx, m)
	}
	m.inside()
	if err == nil {
		n.deliver(ctx, m)
		return
	}
	n.report(remoteOf(m.Conn).Addr(), m.node, err)
	if r, ok := errors.AsType[*RefusedError](err); ok {
		m.say(seal(kindRefusal, r.encode()))
	}
}

// receiveHello reads the hello and compares it with what this node is.
func (n *Node) receiveHello(ctx context.Context, m *member) error {
	_ = m.tls.SetDeadline(time.Now().Add(dialTimeout))
	e, err := readEnvelope(m.tls, kindHello)
	if err != nil {
		return err
	}
	if m.hello, err = decodeHello(e.payload); err != nil {
		return err
	}
	m.done, m.pongs = make(chan struct{}), make(chan struct{}, 1)
	h := m.hello
	switch {
	case h.Cluster != n.opt.Cluster:
		return refuse(ReasonCluster, "node %s is of cluster %x, node %s at %s of cluster %x",
			m.node.Short(), h.Cluster, n.self.Short(), m.LocalAddr(), n.opt.Cluster)
	case h.Node != m.node:
		return refuse(ReasonMismatch, "node %s calls itself %s", m.node, h.Node)
	case int(h.Class) >= transport.Classes:
		return refuse(ReasonVersion, "node %s opens a stream of unknown class %d", m.node.Short(), h.Class)
	case m.node == n.self && h.Boot != n.boot:
		return refuse(ReasonDuplicate, "at %s and at %s: node %s", m.RemoteAddr(), m.LocalAddr(), m.node)
	}
	return n.claim(ctx, m)
}

// agreeWith finds the version to speak, and welcomes the other side.
func (n *Node) agreeWith(ctx context.Context, m *member) error {
	h := m.hello
	version, ok := agree(n.versionMin, n.versionMax, h.MinVersion, h.MaxVersion)
	if !ok {
		return refuse(ReasonVersion, "node %s speaks %d to %d, node %s %d to %d: upgrade the older one",
			m.node.Short(), h.MinVersion, h.MaxVersion, n.self.Short(), n.versionMin, n.versionMax)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_ = m.tls.SetDeadline(time.Time{})
	if !m.say(seal(kindWelcome, welcome{version, n.boot}.encode())) {
		return errors.New("the other side closed the connection")
	}
	if h.Class == uint8(transport.Control) {
		n.opt.Events.AddressSeen(m.node, h.Address, remoteOf(m.Conn))
	}
	if p := n.peer(m.node); p != nil {
		p.heardFrom(h.Address)
	}
	return nil
}

// claim makes the connection the only one of its node and class: frames of the one before it were all delivered, or
// never will be. A node that runs twice is refused the second time.
func (n *Node) claim(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	for {
		before := n.inbound.claim(m)
		if before == nil {
			return nil
		}
		if before.hello.Boot != m.hello.Boot && before.alive() {
			return refuse(ReasonDuplicate, "at %s and at %s: node %s", m.RemoteAddr(), before.RemoteAddr(), m.node)
		}
		before.cut()
		select {
		case <-before.done:
		case <-ctx.Done():
			return refuse(ReasonBusy, "node %s is still at work on frames of an earlier connection", n.self.Short())
		}
	}
}

// claim puts the connection into its place, unless another one is in the way, which it returns.
func (t *inboundTable) claim(m *member) (before *member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := inboundKey{m.node, m.hello.Class}
	if before := t.mu.streams[key]; before != nil {
		return before
	}
	for class := range uint8(transport.Classes) {
		other := t.mu.streams[inboundKey{m.node, class}]
		if other != nil && other.hello.Boot != m.hello.Boot {
			return other
		}
	}
	t.mu.streams[key] = m
	return nil
}

// release gives up the place of a claimed connection.
func (t *inboundTable) release(m *member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.streams, inboundKey{m.node, m.hello.Class})
	close(m.done)
}

// alive asks whether there is still a process at the other end.
func (m *member) alive() bool {
	select {
	case <-m.pongs: // of an earlier question
	default:
	}
	if !m.say(seal(kindPing, nil)) {
		return false
	}
	t := time.NewTimer(probeTimeout)
	defer t.Stop()
	select {
	case <-m.pongs:
		return true
	case <-m.done:
		return false
	case <-t.C:
		return false
	}
}

// say sends one small envelope to the dialling side.
func (m *member) say(e envelope) bool {
	m.write.Lock()
	defer m.write.Unlock()
	_ = m.tls.SetWriteDeadline(time.Now().Add(probeTimeout))
	_, err := m.tls.Write(append(e.header[:], e.payload...))
	return err == nil
}

// deliver hands on what arrives, until the connection ends.
func (n *Node) deliver(ctx context.Context, m *member) {
	class := transport.Class(m.hello.Class)
	hand := func(frame []byte) {
		n.count(m, func(s *streamStats) { s.received(len(frame)) })
		n.receiver.Receive(ctx, m.node, class, frame)
	}
	if class != transport.Control {
		n.read(m, transferBuffer, 0, hand)
		return
	}
	n.deliverControl(ctx, m, hand)
}

// count adds to the statistics of a stream. A member may connect before this node has it in its list: until then
// nothing is counted.
func (n *Node) count(m *member, add func(*streamStats)) {
	if p := n.peer(m.node); p != nil {
		add(&p.streams[m.hello.Class].stats)
	}
}

// deliverControl reads on while the receiver is busy, so that pings are always answered: control frames that find the
// queue full are dropped.
func (n *Node) deliverControl(ctx context.Context, m *member, hand func([]byte)) {
	q := newQueue(n.opt.Queues[transport.Control])
	ended := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { handQueued(ctx, q, ended, hand) })
	n.read(m, controlBuffer, 2*n.opt.DeadAfter, func(frame []byte) {
		if q.push(envelope{payload: frame}) != nil {
			n.count(m, func(s *streamStats) { s.dropped.Add(1) })
		}
	})
	close(ended)
}

// handQueued hands on what is queued, until ctx ends or everything was handed on after ended.
func handQueued(ctx context.Context, q *queue, ended <-chan struct{}, hand func([]byte)) {
	var batch []envelope
	for last := false; !last; {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			last = true
		case <-q.wake:
		}
		for batch = q.take(batch); len(batch) > 0; batch = q.take(batch) {
			for i := range batch {
				if ctx.Err() != nil {
					return
				}
				hand(batch[i].payload)
				batch[i] = envelope{}
			}
		}
	}
}

// read takes envelopes off the connection until it fails, or nothing has come for the time silence, if that is not 0.
func (n *Node) read(m *member, buffer int, silence time.Duration, hand func(frame []byte)) {
	r := bufio.NewReaderSize(m.tls, buffer)
	for {
		if silence > 0 {
			_ = m.tls.SetReadDeadline(time.Now().Add(silence))
		}
		e, err := readEnvelope(r, kindData, kindPing, kindPong)
		if err != nil {
			n.reportEnd(m, err)
			return
		}
		switch e.kind() {
		case kindData:
			hand(e.payload)
		case kindPing:
			m.say(seal(kindPong, e.payload))
		default:
			select {
			case m.pongs <- struct{}{}:
			default:
			}
		}
	}
}

// reportEnd tells of connections that ended by a fault of the other side. That a connection ends is no news.
func (n *Node) reportEnd(m *member, err error) {
	if errors.Is(err, ErrCorrupt) {
		n.report(remoteOf(m.Conn).Addr(), m.node, fmt.Errorf("frame of class %d: %w", m.hello.Class, err))
	}
}
