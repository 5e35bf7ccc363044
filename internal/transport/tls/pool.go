package tlsnet

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"grange/internal/transport"
)

// poolKind separates calls that must be quick from those that move much.
type poolKind int

const (
	small poolKind = iota // calls
	bulk                  // streaming calls
	poolKinds
)

// poolLimits say how many calls may be under way to one node, over how many connections. A second connection is made
// when each has spread calls on it; more calls wait.
var poolLimits = [poolKinds]struct{ calls, conns, spread int }{
	small: {calls: 256, conns: 1, spread: 256},
	bulk:  {calls: 32, conns: 4, spread: 4},
}

// pool holds the connections for one kind of calls to one node.
type pool struct {
	peer  *peer
	kind  poolKind
	slots chan struct{} // one for each call under way
	stats callStats
	mu    struct {
		sync.Mutex
		conns   []*http.ClientConn
		dialing *attempt
	}
}

// attempt is a connection being made, for all calls that wait for it.
type attempt struct {
	done chan struct{}
	err  error // set before done is closed
}

func newPool(p *peer, k poolKind) *pool {
	return &pool{peer: p, kind: k, slots: make(chan struct{}, poolLimits[k].calls)}
}

// send sends a request and returns the beginning of its answer. After a success the caller calls done.
func (p *pool) send(ctx context.Context, r *http.Request) (*http.Response, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.stats.underWay.Add(1)
	response, err := p.roundTrip(ctx, r)
	if err != nil {
		p.done(err)
	}
	return response, err
}

// done ends a call.
func (p *pool) done(err error) {
	if err != nil {
		p.stats.failed.Add(1)
	} else {
		p.stats.done.Add(1)
	}
	p.stats.underWay.Add(-1)
	<-p.slots
}

func (p *pool) roundTrip(ctx context.Context, r *http.Request) (*http.Response, error) {
	for {
		conn, wait := p.pick()
		if conn != nil {
			return conn.RoundTrip(r) // waits while the connection carries all the calls that it may
		}
		select {
		case <-wait.done:
			if wait.err != nil {
				return nil, wait.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pick chooses the connection with the fewest calls. When there is none it says what to wait for.
func (p *pool) pick() (*http.ClientConn, *attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.conns = slices.DeleteFunc(p.mu.conns, func(c *http.ClientConn) bool { return c.Err() != nil })
	var best *http.ClientConn
	for _, c := range p.mu.conns {
		if best == nil || c.InFlight() < best.InFlight() {
			best = c
		}
	}
	limits := poolLimits[p.kind]
	switch {
	case best == nil:
		return nil, p.dialLocked()
	case best.InFlight() >= limits.spread && len(p.mu.conns) < limits.conns:
		p.dialLocked() // for later calls
	}
	return best, nil
}

// dialLocked begins to make a connection, unless one is being made. It belongs to no single call: the one that began it
// may give up.
func (p *pool) dialLocked() *attempt {
	if p.mu.dialing != nil {
		return p.mu.dialing
	}
	a := &attempt{done: make(chan struct{})}
	p.mu.dialing = a
	if !p.peer.spawn(func() { p.dial(a) }) {
		p.finishLocked(a, nil, transport.ErrUnreachable)
	}
	return a
}

func (p *pool) dial(a *attempt) {
	ctx, cancel := context.WithTimeout(p.peer.ctx, dialTimeout)
	defer cancel()
	conn, err := p.peer.n.calls.http.NewClientConn(ctx, "https", hostFor(p.peer.id, p.kind))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finishLocked(a, conn, err)
}

func (p *pool) finishLocked(a *attempt, conn *http.ClientConn, err error) {
	if err == nil {
		p.mu.conns = append(p.mu.conns, conn)
	}
	a.err = err
	p.mu.dialing = nil
	close(a.done)
}
