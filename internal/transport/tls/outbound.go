package tlsnet

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"grange/internal/transport"
)

const (
	pingsPerDead   = 5 // pings in the time after which a silent node counts as unreachable
	idleAfter      = 5 * time.Minute
	farewell       = 500 * time.Millisecond
	controlBuffer  = 8 << 10
	transferBuffer = 64 << 10
)

// errIdle ends a connection that nothing was sent on for long; it is dialled again when something is.
var errIdle = errors.New("transport: connection not needed now")

// stream is what this node sends to another one in one class: a queue, and the connection that empties it.
//
// The control stream is always connected, since its pings tell whether the node is up. The others are dialled when
// there is something to send, and only while the node is up.
type stream struct {
	peer  *peer
	class transport.Class
	queue *queue
	stats streamStats
	raw   atomic.Pointer[trackedConn] // the present connection, for statistics
}

func newStream(p *peer, class transport.Class, limits QueueLimits) *stream {
	return &stream{peer: p, class: class, queue: newQueue(limits)}
}

// run keeps the stream connected until ctx ends.
func (s *stream) run(ctx context.Context) {
	defer s.queue.close()
	var wait backoff
	for s.needed(ctx) {
		kicked := s.peer.kicked()
		err := s.session(ctx, &wait)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errIdle) {
			continue
		}
		s.lost(err)
		pause(ctx, wait.next(), kicked)
	}
}

// needed waits until a connection is wanted. It returns false when ctx has ended.
func (s *stream) needed(ctx context.Context) bool {
	if s.class == transport.Control {
		return ctx.Err() == nil
	}
	for {
		state, changed := s.peer.state()
		wake := s.queue.wake
		switch state {
		case Up:
			s.queue.open()
		case Down:
			s.drop()
			wake = nil
		default:
			wake = nil
		}
		select {
		case <-wake:
			s.queue.signal() // for the connection, which waits on it too
			return true
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// session connects once, and sends until the connection ends.
func (s *stream) session(ctx context.Context, wait *backoff) error {
	c, w, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the connection is over either way
	*wait = backoff{}
	s.stats.connects.Add(1)
	s.queue.open()
	if s.class == transport.Control {
		s.peer.setState(Up, w.Version, nil)
	}
	return s.serve(ctx, c)
}

func (s *stream) connect(ctx context.Context) (*tls.Conn, welcome, error) {
	p := s.peer
	c, err := p.dial(ctx, protoFrames, new(meter))
	if err != nil {
		return nil, welcome{}, err
	}
	_ = c.SetDeadline(time.Now().Add(dialTimeout))
	stop := context.AfterFunc(ctx, func() { _ = c.NetConn().Close() })
	defer stop()
	w, err := greet(c, p.n.hello(uint8(s.class)))
	if err != nil {
		_ = c.Close()
		return nil, welcome{}, fmt.Errorf("greet node %s at %s: %w", p.id.Short(), c.RemoteAddr(), err)
	}
	_ = c.SetDeadline(time.Time{})
	if t, ok := c.NetConn().(*trackedConn); ok {
		s.raw.Store(t)
	}
	return c, w, nil
}

// lost says that what was sent may not have arrived, and what waits will not be sent.
func (s *stream) lost(err error) {
	if s.class == transport.Control {
		s.peer.setState(Down, 0, err)
		s.peer.closeConns()
	}
	s.queue.close()
	s.peer.n.receiver.Unreachable(s.peer.id)
}

// drop empties the queue of a node that is down.
func (s *stream) drop() {
	if s.queue.close() > 0 {
		s.peer.n.receiver.Unreachable(s.peer.id)
	}
}

// serve sends what is queued until the connection ends, and returns why it did.
func (s *stream) serve(ctx context.Context, c *tls.Conn) error {
	defer s.raw.Store(nil)
	w := &writer{stream: s, c: c, heard: make(chan error, 1), pings: make(chan envelope, 1)}
	w.lastHeard.Store(int64(sinceStart()))
	size := transferBuffer
	if s.class == transport.Control {
		size = controlBuffer
	}
	w.buf = bufio.NewWriterSize(c, size)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.heard <- w.listen()
	}()
	err := w.run(ctx)
	_ = c.NetConn().Close() // ends listen
	<-done
	select {
	case cause := <-w.heard: // what the other side said matters more than that writing failed
		if refusal := new(RefusedError); errors.As(cause, &refusal) || errors.Is(cause, ErrNotWelcome) {
			return cause
		}
	default:
	}
	return err
}

// writer sends on one connection.
type writer struct {
	stream    *stream
	c         *tls.Conn
	buf       *bufio.Writer
	heard     chan error    // why listening ended
	pings     chan envelope // of the other side, to be answered
	lastHeard atomic.Int64  // a sinceStart
	batch     []envelope
	leaving   bool // the deadline of the farewell holds
}

// started anchors times that are kept as numbers.
var started = time.Now()

// sinceStart is a time that only goes forward.
func sinceStart() time.Duration { return time.Since(started) }

func (w *writer) run(ctx context.Context) error {
	// When the node stops, a little time is left for what was queued before: a leader's farewell, for instance.
	stop := context.AfterFunc(ctx, func() { _ = w.c.SetDeadline(time.Now().Add(farewell)) })
	defer stop()
	beat, idle := w.timers()
	if beat != nil {
		defer beat.Stop()
	}
	defer idle.Stop()
	for {
		var tick <-chan time.Time
		if beat != nil {
			tick = beat.C
		}
		var err error
		select {
		case <-ctx.Done():
			return w.drain(ctx)
		case <-w.stream.queue.wake:
			idle.Reset(idleAfter)
			err = w.sendQueued()
		case <-tick:
			err = w.beat()
		case e := <-w.pings:
			err = w.write(seal(kindPong, e.payload), true)
		case err = <-w.heard:
			w.heard <- err
		case <-idle.C:
			if w.stream.class != transport.Control {
				err = errIdle
			}
		}
		if err != nil {
			return err
		}
	}
}

func (w *writer) timers() (beat *time.Ticker, idle *time.Timer) {
	if w.stream.class == transport.Control {
		beat = time.NewTicker(w.deadAfter() / pingsPerDead)
	}
	return beat, time.NewTimer(idleAfter)
}

func (w *writer) deadAfter() time.Duration { return w.stream.peer.n.opt.DeadAfter }

// sendQueued writes a batch of what waits, and flushes once nothing more does: many small frames share one packet. It
// leaves off after each batch, so that pings are sent in between.
func (w *writer) sendQueued() error {
	w.batch = w.stream.queue.take(w.batch)
	if len(w.batch) == 0 {
		return w.buf.Flush()
	}
	for i := range w.batch {
		if err := w.write(w.batch[i], false); err != nil {
			return err
		}
		w.stream.stats.sent(len(w.batch[i].payload))
		w.batch[i] = envelope{}
	}
	if frames, _ := w.stream.queue.len(); frames == 0 {
		return w.buf.Flush()
	}
	w.stream.queue.signal()
	return nil
}

// drain sends what is queued, and ends.
func (w *writer) drain(ctx context.Context) error {
	w.leaving = true
	_ = w.c.SetWriteDeadline(time.Now().Add(farewell)) // write may have set a later one
	for frames, _ := w.stream.queue.len(); frames > 0; frames, _ = w.stream.queue.len() {
		if err := w.sendQueued(); err != nil {
			return err
		}
	}
	return errors.Join(ctx.Err(), w.buf.Flush())
}

// write adds an envelope to the buffer. On the control stream a node that takes nothing for too long is unreachable;
// on the others it is only slow.
func (w *writer) write(e envelope, flush bool) error {
	if w.stream.class == transport.Control && !w.leaving {
		_ = w.c.SetWriteDeadline(time.Now().Add(w.deadAfter()))
	}
	if err := e.writeTo(w.buf); err != nil {
		return turnedAway(err)
	}
	if flush {
		return w.buf.Flush()
	}
	return nil
}

// beat sends a ping, unless the node was silent for too long.
func (w *writer) beat() error {
	silent := sinceStart() - time.Duration(w.lastHeard.Load())
	if silent >= w.deadAfter() {
		return fmt.Errorf("%w for %v", ErrSilent, silent.Round(time.Millisecond))
	}
	w.stream.peer.link.pinged()
	return w.write(seal(kindPing, binary.BigEndian.AppendUint64(nil, uint64(sinceStart()))), true)
}

// listen reads what the other side says on a connection that this one sends on: pongs, pings, and a refusal at its end.
func (w *writer) listen() error {
	r := bufio.NewReaderSize(w.c, 512)
	for {
		e, err := readEnvelope(r, kindPing, kindPong, kindRefusal)
		if errors.Is(err, io.EOF) {
			return errors.New("the other side closed the connection")
		}
		if err != nil {
			return turnedAway(err)
		}
		w.lastHeard.Store(int64(sinceStart()))
		switch e.kind() {
		case kindRefusal:
			return refusalIn(e)
		case kindPong:
			w.ponged(e.payload)
		default:
			select {
			case w.pings <- e:
			default: // one answer is enough
			}
		}
	}
}

// ponged measures the round trip of a ping that came back.
func (w *writer) ponged(payload []byte) {
	if len(payload) != 8 {
		return
	}
	sent := time.Duration(binary.BigEndian.Uint64(payload))
	if took := sinceStart() - sent; sent >= 0 && took >= 0 {
		w.stream.peer.link.measured(took)
	}
}
