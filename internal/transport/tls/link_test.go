package tlsnet_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
	"grange/internal/transport/transporttest"
)

// proxy is a line between two nodes that tests cut and block.
type proxy struct {
	net.Listener
	target string
	mu     struct {
		sync.Mutex
		conns   map[net.Conn]bool
		blocked bool
		resume  *sync.Cond
		closed  bool
	}
	wg sync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	p := &proxy{Listener: listen(t), target: target}
	p.mu.conns = map[net.Conn]bool{}
	p.mu.resume = sync.NewCond(&p.mu)
	p.wg.Go(func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.join(c) })
		}
	})
	t.Cleanup(func() {
		p.Close()
		p.mu.Lock()
		p.mu.closed = true
		p.mu.Unlock()
		p.block(false)
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) join(c net.Conn) {
	defer c.Close()
	d, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer d.Close()
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return
	}
	p.mu.conns[c], p.mu.conns[d] = true, true
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
		wg.Go(func() {
			defer way[0].Close()
			defer way[1].Close()
			buf := make([]byte, 4096)
			for {
				n, err := way[0].Read(buf)
				p.mu.Lock()
				for p.mu.blocked {
					p.mu.resume.Wait()
				}
				p.mu.Unlock()
				if err != nil {
					return
				}
				if _, err := way[1].Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	delete(p.mu.conns, c)
	delete(p.mu.conns, d)
	p.mu.Unlock()
}

// cut breaks all connections, in the middle of whatever they carry.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.mu.conns {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		c.Close()
	}
}

// block lets nothing pass, without closing anything: a cable that was pulled.
func (p *proxy) block(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.blocked = yes
	p.mu.resume.Broadcast()
}

// proxied runs two nodes whose first dials the second through a proxy.
func proxied(t testing.TB, r *transporttest.Recorder) (one, two *testNode, p *proxy) {
	w := newWorld(t)
	o := w.options(2)
	p = newProxy(t, o.Listener.Addr().String())
	o.Address = p.Addr().String()
	w.peers.set(nodeID(2), tlsnet.Peer{Standing: tlsnet.Member, Address: p.Addr().String()})
	o.Handlers = map[string]transport.Handler{
		"echo": func(_ context.Context, _ id.Node, b []byte) ([]byte, error) { return b, nil },
		"wait": func(ctx context.Context, _ id.Node, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	o.Streams = map[string]transport.StreamHandler{
		"endless": func(context.Context, id.Node, []byte, io.Reader) ([]byte, io.ReadCloser, error) {
			return nil, io.NopCloser(endless{}), nil
		},
	}
	two = w.run(2, o, r)
	one = w.run(1, w.options(1), nil)
	w.connected()
	return one, two, p
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCutsLoseFramesButNeverReorderOrRepeatThem(t *testing.T) {
	one, two, p := proxied(t, nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for class := range transport.Class(transport.Classes) {
		wg.Go(func() {
			for i := uint32(0); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				frame := bytes.Repeat(binary.BigEndian.AppendUint32(nil, i), 1+int(i%9)*300)
				if one.Send(two.ID(), class, frame) != nil {
					time.Sleep(200 * time.Microsecond)
				}
			}
		})
	}
	for round := range uint64(6) {
		for class := range transport.Class(transport.Classes) {
			before := len(two.got.Frames(source(1, class)))
			eventually(t, "some more frames, on a new connection", func() bool {
				connects := one.stats(two.ID()).Streams[class].Connects
				return connects > round && len(two.got.Frames(source(1, class))) > before+5
			})
		}
		p.cut()
	}
	close(stop)
	wg.Wait()
	for class := range transport.Class(transport.Classes) {
		frames := two.got.Frames(source(1, class))
		last := int64(-1)
		for _, f := range frames {
			n := int64(binary.BigEndian.Uint32(f))
			if want := bytes.Repeat(f[:4], 1+int(n%9)*300); !bytes.Equal(f, want) {
				t.Fatalf("class %d: frame %d is damaged", class, n)
			}
			if n <= last {
				t.Fatalf("class %d: frame %d comes after %d", class, n, last)
			}
			last = n
		}
		connects := one.stats(two.ID()).Streams[class].Connects
		t.Logf("class %d: %d frames of %d came over %d connections", class, len(frames), last+1, connects)
		if len(frames) == 0 || connects < 6 {
			t.Errorf("class %d: %d frames came over %d connections: nothing was tested", class, len(frames), connects)
		}
	}
	if one.got.Losses(two.ID()) == 0 {
		t.Error("no loss was reported")
	}
}

func TestSilentNodeIsNoticedAndFoundAgain(t *testing.T) {
	one, two, p := proxied(t, nil)
	if _, err := one.Call(withTimeout(t), two.ID(), "echo", nil); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := one.Call(withTimeout(t), two.ID(), "wait", nil)
		waiting <- err
	}()
	eventually(t, "call under way", func() bool { return one.stats(two.ID()).Small.UnderWay == 1 })
	began := time.Now()
	p.block(true)
	eventually(t, "down", func() bool { return one.state(two.ID()) == tlsnet.Down })
	took := time.Since(began)
	t.Logf("noticed after %v", took)
	if limit := 800 * time.Millisecond; took > limit { // DeadAfter is 500 ms here
		t.Errorf("it took %v, more than %v", took, limit)
	}
	if _, down := one.events.lists(); !hasError(down, tlsnet.ErrSilent) {
		t.Errorf("reported %v, want ErrSilent", down)
	}
	if err := <-waiting; !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("the call under way: got %v, want ErrUnreachable", err)
	}
	began = time.Now()
	if _, err := one.Call(withTimeout(t), two.ID(), "echo", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("a call to a node that is down took %v to fail", took)
	}
	if err := one.Send(two.ID(), transport.Log, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	p.block(false)
	eventually(t, "up again", func() bool { return one.state(two.ID()) == tlsnet.Up })
	if _, err := one.Call(withTimeout(t), two.ID(), "echo", nil); err != nil {
		t.Error(err)
	}
}

func TestBodyThatIsCutIsAnError(t *testing.T) {
	one, two, p := proxied(t, nil)
	_, out, err := one.CallStream(withTimeout(t), two.ID(), "endless", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.CopyN(io.Discard, out, 5<<20); err != nil {
		t.Fatal(err)
	}
	p.cut()
	if _, err := io.Copy(io.Discard, out); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}

// A receiver that takes no snapshots, and a line full of blocks that nobody reads, must not slow votes and heartbeats.
func TestBlockedBulkDoesNotDelayControl(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var mu sync.Mutex
	var delays []time.Duration
	r := &transporttest.Recorder{Hold: func(ctx context.Context, class transport.Class) {
		if class == transport.Bulk {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
	}}
	one, two, _ := proxied(t, r)
	chunk := make([]byte, 1<<20)
	eventually(t, "a full bulk queue", func() bool {
		return errors.Is(one.Send(two.ID(), transport.Bulk, chunk), transport.ErrQueueFull)
	})
	for range 8 { // streams whose answers are not read
		_, out, err := one.CallStream(withTimeout(t), two.ID(), "endless", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
	}
	for i := range 100 {
		began := time.Now()
		transporttest.SendPatiently(t, one, two.ID(), transport.Control, []byte{byte(i)})
		for len(r.Frames(source(1, transport.Control))) <= i {
			time.Sleep(50 * time.Microsecond)
		}
		if _, err := one.Call(withTimeout(t), two.ID(), "echo", nil); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		delays = append(delays, time.Since(began))
		mu.Unlock()
	}
	slices.Sort(delays)
	t.Logf("a control frame and a small call together: median %v, worst of 100 %v", delays[50], delays[99])
	if delays[50] > 20*time.Millisecond {
		t.Errorf("median %v beside blocked bulk", delays[50])
	}
	if s := one.stats(two.ID()); s.State != tlsnet.Up || s.Streams[transport.Control].Connects != 1 || s.Streams[transport.Bulk].QueuedFrames == 0 {
		t.Errorf("got %+v, want a node that is up and a queue that is full", s)
	}
}

func TestControlIsAnsweredWhileTheReceiverIsStuck(t *testing.T) {
	release := make(chan struct{})
	r := &transporttest.Recorder{Hold: func(ctx context.Context, _ transport.Class) {
		select {
		case <-release:
		case <-ctx.Done():
		}
	}}
	one, two, _ := proxied(t, r)
	for deadline := time.Now().Add(1200 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_ = one.Send(two.ID(), transport.Control, make([]byte, 100<<10))
	}
	s := one.stats(two.ID())
	if s.State != tlsnet.Up || s.Streams[transport.Control].Connects != 1 {
		t.Errorf("a busy node was taken for a dead one: %v, %d connections", s.State, s.Streams[transport.Control].Connects)
	}
	if two.stats(one.ID()).Streams[transport.Control].Dropped == 0 {
		t.Error("nothing was dropped: the receiver's queue has no bound")
	}
	close(release)
}

func TestNodeThatMovedIsFoundThroughItsOwnHello(t *testing.T) {
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	two := w.run(2, w.options(2), nil)
	w.connected()
	before := tlsnet.Peer{Standing: tlsnet.Member, Address: two.listen.Addr().String()}
	two.stop()
	eventually(t, "down", func() bool { return one.state(two.ID()) == tlsnet.Down })
	o := w.options(2)
	w.peers.set(two.ID(), before) // nobody was told of the new address
	w.run(2, o, nil)
	eventually(t, "one reaches two", func() bool { return one.state(two.ID()) == tlsnet.Up })
	one.events.mu.Lock()
	seen, from := one.events.seen[two.ID()], one.events.from[two.ID()]
	one.events.mu.Unlock()
	if seen != o.Address || !from.Addr().IsLoopback() {
		t.Errorf("reported %q from %v, want %q from loopback", seen, from, o.Address)
	}
	if got := one.stats(two.ID()).Address; got != o.Address {
		t.Errorf("dials %s first, want %s", got, o.Address)
	}
}

func TestNodeThatMovedIsFoundThroughPeers(t *testing.T) {
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	w.peers.set(nodeID(2), tlsnet.Peer{Standing: tlsnet.Member, Address: "127.0.0.1:1"})
	one.PeersChanged()
	eventually(t, "down", func() bool { return one.state(nodeID(2)) == tlsnet.Down })
	o := w.options(2)
	o.Address = ""
	w.run(2, o, nil)
	eventually(t, "up", func() bool { return one.state(nodeID(2)) == tlsnet.Up })
}

func TestStatisticsOfALink(t *testing.T) {
	one, two, _ := proxied(t, nil)
	for i := range 10 {
		transporttest.SendPatiently(t, one, two.ID(), transport.Log, make([]byte, i))
	}
	if _, err := one.Call(withTimeout(t), two.ID(), "echo", make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "frames and pongs", func() bool {
		s := one.stats(two.ID())
		return s.Streams[transport.Log].SentFrames == 10 && s.Pongs > 0
	})
	s := one.stats(two.ID())
	if log := s.Streams[transport.Log]; log.SentBytes != 45 || log.Connects != 1 || log.QueuedFrames != 0 {
		t.Errorf("got %+v, want 45 bytes over one connection and an empty queue", log)
	}
	if s.RTT <= 0 || s.RTT > time.Second || s.Pings < s.Pongs || s.Version != 1 {
		t.Errorf("got round trip %v, %d pings, %d pongs, version %d", s.RTT, s.Pings, s.Pongs, s.Version)
	}
	if c := s.Small; c.Done != 1 || c.Failed != 0 || c.UnderWay != 0 || c.SentBytes < 5000 || c.RecvBytes < 5000 {
		t.Errorf("got %+v, want one call of 5000 bytes each way", c)
	}
	eventually(t, "the other side has counted too", func() bool {
		o := two.stats(one.ID())
		return o.Streams[transport.Log].ReceivedBytes == 45 && o.Served.Done == 1 && o.Served.RecvBytes >= 5000
	})
	if runtime.GOOS == "linux" && s.Segments == 0 {
		t.Error("no TCP segments were counted")
	}
}

func TestStopLeavesNothingRunning(t *testing.T) {
	one, two, _ := proxied(t, nil)
	_, out, err := one.CallStream(withTimeout(t), two.ID(), "endless", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = one.Call(withTimeout(t), two.ID(), "wait", nil) }()
	eventually(t, "call under way", func() bool { return one.stats(two.ID()).Small.UnderWay == 1 })
	if !strings.Contains(stacks(), "http2clientConnReadLoop") {
		t.Error("net/http has changed its names: this test looks for nothing")
	}
	began := time.Now()
	one.stop()
	eventually(t, "no client's goroutine beside the other node", func() bool { return !strings.Contains(stacks(), "http2clientConnReadLoop") })
	if _, err := one.Call(withTimeout(t), two.ID(), "echo", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("call of a stopped node: got %v, want ErrUnreachable", err)
	}
	two.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	_ = out.Close()
	eventually(t, "no goroutine of the package", func() bool {
		all := stacks()
		return !strings.Contains(all, "transport/tls.(") && !strings.Contains(all, "net/http.")
	})
}

// stacks shows all goroutines.
func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func TestFarewellsArrive(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		one := w.run(1, w.options(1), nil)
		two := w.run(2, w.options(2), nil)
		w.connected()
		transporttest.SendPatiently(t, two, one.ID(), transport.Log, []byte("connects"))
		eventually(t, "first frame", func() bool { return len(one.got.Frames(source(2, transport.Log))) == 1 })
		for _, class := range []transport.Class{transport.Control, transport.Log} {
			if err := two.Send(one.ID(), class, []byte("farewell")); err != nil {
				t.Fatal(err)
			}
		}
		two.stop()
		eventually(t, "farewells", func() bool {
			return len(one.got.Frames(source(2, transport.Control))) == 1 && len(one.got.Frames(source(2, transport.Log))) == 2
		})
		one.stop()
	}
}
