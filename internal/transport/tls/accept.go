package tlsnet

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"grange/internal/id"
)

const (
	entryPerHost = 32  // handshakes under way with one host
	entryTotal   = 512 // and with all
	acceptRetry  = 50 * time.Millisecond
)

// entry bounds the connections that have not proven yet who they are, so that strangers cannot take all the room.
type entry struct {
	mu struct {
		sync.Mutex
		hosts map[netip.Addr]int
		total int
	}
}

func (e *entry) init() { e.mu.hosts = map[netip.Addr]int{} }

func (e *entry) enter(host netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.total >= entryTotal || e.mu.hosts[host] >= entryPerHost {
		return false
	}
	e.mu.total++
	e.mu.hosts[host]++
	return true
}

func (e *entry) leave(host netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.total--
	if e.mu.hosts[host]--; e.mu.hosts[host] == 0 {
		delete(e.mu.hosts, host)
	}
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// serverConfig offers the protocols that this node serves. The verification runs inside the handshake: a stranger is
// turned away before anything it says is read.
func (n *Node) serverConfig() *tls.Config {
	protos := []string{protoFrames, protoCalls}
	if n.opt.Join != nil {
		protos = append(protos, protoJoin)
	}
	return tlsConfig(n.cert, protos, func(s tls.ConnectionState) error {
		who, err := nodeIn(s)
		if err != nil {
			return err
		}
		if s.NegotiatedProtocol == "" {
			return ErrVersion
		}
		err = n.admit(who)
		if s.NegotiatedProtocol == protoJoin && errors.Is(err, ErrStranger) {
			return nil
		}
		return err
	})
}

// accept takes connections until the listener is closed.
func (n *Node) accept(ctx context.Context) error {
	for {
		raw, err := n.opt.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of file descriptors, for instance: others may end meanwhile
			t := time.NewTimer(acceptRetry)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
			continue
		}
		host := remoteOf(raw).Addr()
		if !n.entry.enter(host) {
			_ = raw.Close()
			n.report(host, id.Node{}, ErrBusy)
			continue
		}
		n.wg.Go(func() { n.serve(ctx, raw, host) })
	}
}

// serve handles one connection to its end, or hands it on.
func (n *Node) serve(ctx context.Context, raw net.Conn, host netip.Addr) {
	inside := sync.OnceFunc(func() { n.entry.leave(host) })
	defer inside()
	tune(raw)
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive(n.opt.DeadAfter))
	}
	member := &member{trackedConn: trackedConn{Conn: raw, meter: new(meter)}, inside: inside}
	member.ended = func(*trackedConn) { n.inbound.forget(member) }
	ctx, member.end = context.WithCancel(ctx)
	defer member.end()
	member.tls = tls.Server(&member.trackedConn, n.server)
	if err := n.welcomeIn(ctx, member); err != nil {
		_ = member.tls.Close()
		n.report(host, member.node, err)
		return
	}
	switch proto := member.tls.ConnectionState().NegotiatedProtocol; proto {
	case protoFrames:
		n.serveFrames(ctx, member)
	case protoCalls:
		inside()
		n.serving.hand(ctx, member)
	default:
		n.serveJoin(ctx, member, host)
	}
}

// welcomeIn completes the handshake, and takes a member into the table of those who are inside.
func (n *Node) welcomeIn(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := m.tls.HandshakeContext(ctx); err != nil {
		m.node, _ = nodeIn(m.tls.ConnectionState()) // for the report; zero when it is not known
		return turnedAway(err)
	}
	s := m.tls.ConnectionState()
	who, err := nodeIn(s)
	if err != nil {
		return err
	}
	m.node = who
	if s.NegotiatedProtocol == protoJoin {
		return nil
	}
	if p := n.peer(who); p != nil && s.NegotiatedProtocol == protoCalls {
		p.served.meter.add(m.meter) // the first request may have come along with the end of the handshake
		m.meter = &p.served.meter
	}
	if err := n.inbound.add(m); err != nil {
		return err
	}
	return n.admit(who) // again: it may have been expelled before it was in the table
}

// report tells the operator that someone was turned away.
func (n *Node) report(host netip.Addr, who id.Node, err error) {
	if n.refused.allow(host, who.Short()+err.Error()) {
		n.opt.Events.Refused(host, who, err)
	}
}
