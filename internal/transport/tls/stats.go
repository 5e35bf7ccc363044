package tlsnet

import (
	"sync"
	"sync/atomic"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
)

// PeerStats is how the link to one other node stands. Counts are since this node's start, or since the other one became a member.
type PeerStats struct {
	Node     id.Node
	Address  string // the one that is dialled first
	State    State
	Since    time.Time     // of the state
	Err      string        // why it is down
	Version  uint16        // of the protocol; 0 before it was up
	RTT      time.Duration // smoothed round trip of pings (RFC 6298, 2.3); 0 before the first
	RTTVar   time.Duration // and its mean deviation
	Pings    uint64
	Pongs    uint64
	Segments uint64 // TCP segments sent on the present frame connections
	Resent   uint64 // of them, those that were sent again: the loss of the line
	Streams  [transport.Classes]StreamStats
	Small    CallStats // calls to the node
	Bulk     CallStats // streaming calls to the node
	Served   CallStats // calls of the node, of both kinds
}

// StreamStats are the frames of one class, without headers and TLS.
type StreamStats struct {
	QueuedFrames, QueuedBytes     int
	SentFrames, SentBytes         uint64
	ReceivedFrames, ReceivedBytes uint64
	Dropped                       uint64 // refused by a full or shut queue, on either side
	Connects                      uint64 // connections that were made: one more than there were reconnects
}

// CallStats are the calls of one kind.
type CallStats struct {
	UnderWay             int64
	Done, Failed         uint64 // Failed counts those that got no answer
	SentBytes, RecvBytes uint64 // on the wire, TLS included
}

type streamStats struct {
	sentFrames, sentBytes, receivedFrames, receivedBytes, dropped, connects atomic.Uint64
}

func (s *streamStats) sent(bytes int) {
	s.sentFrames.Add(1)
	s.sentBytes.Add(uint64(bytes))
}

func (s *streamStats) received(bytes int) {
	s.receivedFrames.Add(1)
	s.receivedBytes.Add(uint64(bytes))
}

type callStats struct {
	meter        meter
	underWay     atomic.Int64
	done, failed atomic.Uint64
}

func (c *callStats) snapshot() CallStats {
	return CallStats{
		UnderWay: c.underWay.Load(), Done: c.done.Load(), Failed: c.failed.Load(),
		SentBytes: c.meter.sent.Load(), RecvBytes: c.meter.received.Load(),
	}
}

// linkStats are what the pings tell.
type linkStats struct {
	mu struct {
		sync.Mutex
		rtt, rttVar  time.Duration
		pings, pongs uint64
	}
}

func (l *linkStats) pinged() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.pings++
}

// measured smooths a round trip as TCP does (RFC 6298, 2.2 and 2.3).
func (l *linkStats) measured(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.pongs++
	if l.mu.pongs == 1 {
		l.mu.rtt, l.mu.rttVar = took, took/2
		return
	}
	l.mu.rttVar += ((l.mu.rtt - took).Abs() - l.mu.rttVar) / 4
	l.mu.rtt += (took - l.mu.rtt) / 8
}

// Stats reports the links to all members, in the order of their ids.
func (n *Node) Stats() []PeerStats {
	peers := n.sortedPeers()
	stats := make([]PeerStats, 0, len(peers))
	for _, p := range peers {
		stats = append(stats, p.stats())
	}
	return stats
}

func (p *peer) stats() PeerStats {
	s := PeerStats{
		Node: p.id, Small: p.pools[small].stats.snapshot(), Bulk: p.pools[bulk].stats.snapshot(),
		Served: p.served.snapshot(),
	}
	if a := p.addresses(); len(a) > 0 {
		s.Address = a[0]
	}
	p.mu.Lock()
	s.State, s.Since, s.Version = p.mu.state, p.mu.since, p.mu.version
	if p.mu.err != nil {
		s.Err = p.mu.err.Error()
	}
	p.mu.Unlock()
	p.link.mu.Lock()
	s.RTT, s.RTTVar, s.Pings, s.Pongs = p.link.mu.rtt, p.link.mu.rttVar, p.link.mu.pings, p.link.mu.pongs
	p.link.mu.Unlock()
	for c, stream := range p.streams {
		s.Streams[c] = stream.snapshot()
		if raw := stream.raw.Load(); raw != nil {
			sent, again := segments(raw.Conn)
			s.Segments, s.Resent = s.Segments+sent, s.Resent+again
		}
	}
	return s
}

func (s *stream) snapshot() StreamStats {
	frames, bytes := s.queue.len()
	c := &s.stats
	return StreamStats{
		QueuedFrames: frames, QueuedBytes: bytes, SentFrames: c.sentFrames.Load(), SentBytes: c.sentBytes.Load(),
		ReceivedFrames: c.receivedFrames.Load(), ReceivedBytes: c.receivedBytes.Load(),
		Dropped: c.dropped.Load(), Connects: c.connects.Load(),
	}
}
