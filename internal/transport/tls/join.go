package tlsnet

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"grange/internal/id"
)

const (
	joinClass      = 0xff
	joinRequestMax = 16 << 10
	joinAnswerMax  = 4 << 20
	joinTimeout    = 30 * time.Second
	joinsUnderWay  = 4
	joinBurst      = 5               // joins that one host may try at once,
	joinEvery      = 2 * time.Second // and how often afterwards
	joinHosts      = 1024            // hosts to remember
)

// Join is a call of a node that is no member yet.
type Join struct {
	// Key is the key of the node that wants to join.
	Key ed25519.PrivateKey
	// Address is where the inviting node listens, host:port.
	Address string
	// Server is the inviting node, as the token names it: the fingerprint of its key. Nothing is said to any other node.
	Server id.Node
	// Request goes to the [JoinHandler], with the secret in it; at most 16 KiB.
	Request []byte
}

// DialOnce makes the one call that a stranger may make. It fails with ErrImpostor when another node than the inviting
// one answers, with a RefusedError when the join is refused (ErrJoinRefused, ErrBusy, ErrVersion), with ErrNotWelcome
// when the node takes no joins or has expelled this one, and with the error of the network otherwise.
func DialOnce(ctx context.Context, j Join) (answer []byte, err error) {
	if len(j.Request) > joinRequestMax {
		return nil, fmt.Errorf("join: request of %d bytes, more than %d", len(j.Request), joinRequestMax)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	cert, err := certificate(j.Key)
	if err != nil {
		return nil, err
	}
	raw, err := dialTCP(ctx, j.Address, defaultDeadAfter)
	if err != nil {
		return nil, fmt.Errorf("join through %s: %w", j.Address, err)
	}
	defer func() { _ = raw.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	c := tls.Client(raw, tlsConfig(cert, []string{protoJoin}, j.verify))
	if answer, err = j.call(ctx, c); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return nil, fmt.Errorf("join through %s: %w", j.Address, err)
	}
	return answer, nil
}

func (j *Join) verify(s tls.ConnectionState) error {
	who, err := nodeIn(s)
	if err == nil && who != j.Server {
		err = fmt.Errorf("%w: node %s instead of %s", ErrImpostor, who, j.Server)
	}
	return err
}

func (j *Join) call(ctx context.Context, c *tls.Conn) ([]byte, error) {
	if err := handshake(ctx, c, protoJoin); err != nil {
		return nil, err
	}
	h := hello{MinVersion: versionMin, MaxVersion: versionMax, Node: NodeOf(publicOf(j.Key)), Class: joinClass}
	if _, err := greet(c, h); err != nil {
		return nil, err
	}
	e := seal(kindRequest, j.Request)
	if err := e.writeTo(c); err != nil {
		return nil, turnedAway(err)
	}
	answer, err := readEnvelope(c, kindAnswer, kindRefusal)
	if err != nil {
		return nil, turnedAway(err)
	}
	if answer.kind() == kindRefusal {
		return nil, refusalIn(answer)
	}
	return answer.payload, nil
}

// serveJoin answers the one call of a stranger.
func (n *Node) serveJoin(ctx context.Context, m *member, host netip.Addr) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	defer func() { _ = m.tls.Close() }() // the connection is over either way
	stop := context.AfterFunc(ctx, func() { _ = m.Conn.Close() })
	defer stop()
	err := n.answerJoin(ctx, m, host)
	if err == nil {
		return
	}
	n.report(host, m.node, err)
	if r, ok := errors.AsType[*RefusedError](err); ok {
		m.say(seal(kindRefusal, r.encode()))
	}
}

func (n *Node) answerJoin(ctx context.Context, m *member, host netip.Addr) error {
	if !n.joins.enter(host) {
		return refuse(ReasonBusy, "too many joins are being tried; try again in a minute")
	}
	defer n.joins.leave()
	_ = m.tls.SetDeadline(time.Now().Add(dialTimeout))
	request, err := n.readJoin(m)
	if err != nil {
		return err
	}
	answer, err := n.opt.Join(ctx, m.node, request)
	if err == nil && len(answer) > joinAnswerMax {
		err = fmt.Errorf("answer of %d bytes, more than %d", len(answer), joinAnswerMax)
	}
	if err != nil {
		return refuse(ReasonJoin, "%v", err)
	}
	_ = m.tls.SetDeadline(time.Now().Add(dialTimeout))
	e := seal(kindAnswer, answer)
	return e.writeTo(m.tls)
}

func (n *Node) readJoin(m *member) ([]byte, error) {
	e, err := readEnvelope(m.tls, kindHello)
	if err != nil {
		return nil, err
	}
	h, err := decodeHello(e.payload)
	if err != nil {
		return nil, err
	}
	if h.Class != joinClass || h.Node != m.node {
		return nil, refuse(ReasonMismatch, "node %s sends the hello of another", m.node)
	}
	version, ok := agree(n.versionMin, n.versionMax, h.MinVersion, h.MaxVersion)
	if !ok {
		return nil, refuse(ReasonVersion, "this node speaks %d to %d, the joining one %d to %d: give both the same program",
			n.versionMin, n.versionMax, h.MinVersion, h.MaxVersion)
	}
	m.say(seal(kindWelcome, welcome{version, n.boot}.encode()))
	e, err = readEnvelope(m.tls, kindRequest)
	return e.payload, err
}

// joinLimits bound what strangers can make this node do.
type joinLimits struct {
	slots chan struct{}
	mu    struct {
		sync.Mutex
		hosts map[netip.Addr]*joinBucket
	}
}

// joinBucket counts the tries of one host.
type joinBucket struct {
	left float64
	at   time.Time
}

func (b *joinBucket) refill(now time.Time) {
	b.left = min(joinBurst, b.left+now.Sub(b.at).Seconds()/joinEvery.Seconds())
	b.at = now
}

func (l *joinLimits) init() {
	l.slots = make(chan struct{}, joinsUnderWay)
	l.mu.hosts = map[netip.Addr]*joinBucket{}
}

// enter takes a place for a join of a host; leave gives it back.
func (l *joinLimits) enter(host netip.Addr) bool {
	if !l.mayTry(host, time.Now()) {
		return false
	}
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *joinLimits) leave() { <-l.slots }

func (l *joinLimits) mayTry(host netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.mu.hosts[host]
	if b == nil {
		if len(l.mu.hosts) >= joinHosts {
			l.forgetLocked(now)
		}
		if len(l.mu.hosts) >= joinHosts {
			return false
		}
		b = &joinBucket{left: joinBurst, at: now}
		l.mu.hosts[host] = b
	}
	b.refill(now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// forgetLocked drops the hosts that have all their tries again.
func (l *joinLimits) forgetLocked(now time.Time) {
	for host, b := range l.mu.hosts {
		if b.refill(now); b.left >= joinBurst {
			delete(l.mu.hosts, host)
		}
	}
}
