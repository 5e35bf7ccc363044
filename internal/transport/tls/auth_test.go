package tlsnet_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
	"grange/internal/transport/transporttest"
)

var eventually = transporttest.Eventually

// certificate is one that an attacker makes for a key.
func certificate(t testing.TB, n byte) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7)}
	der, err := x509.CreateCertificate(nil, template, template, key(n).Public(), key(n))
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key(n)}
}

// dialAs connects to a node with any TLS settings.
func dialAs(t testing.TB, to *testNode, c *tls.Config) *tls.Conn {
	t.Helper()
	c.InsecureSkipVerify = true
	raw, err := net.Dial("tcp", to.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	return tls.Client(raw, c)
}

// connected waits until all nodes of the world reach each other.
func (w *world) connected() {
	w.t.Helper()
	for _, node := range w.nodes {
		for other := range w.nodes {
			if nodeID(other) != node.ID() {
				eventually(w.t, "connected", func() bool { return node.state(nodeID(other)) == tlsnet.Up })
			}
		}
	}
}

func (n *testNode) stats(other id.Node) tlsnet.PeerStats {
	for _, s := range n.Stats() {
		if s.Node == other {
			return s
		}
	}
	return tlsnet.PeerStats{}
}

func (n *testNode) state(other id.Node) tlsnet.State { return n.stats(other).State }

func hasError(list []error, want error) bool {
	for _, err := range list {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

func TestStrangersGetNothing(t *testing.T) {
	w := newWorld(t)
	handlerRan := make(chan struct{}, 100)
	o := w.options(1)
	o.Handlers = map[string]transport.Handler{"x": func(context.Context, id.Node, []byte) ([]byte, error) {
		handlerRan <- struct{}{}
		return nil, nil
	}}
	node := w.run(1, o, nil)
	hello := tlsnet.Seal(1, tlsnet.Hello{MinVersion: 1, MaxVersion: 1, Cluster: cluster, Node: nodeID(66)}.Encode())
	const request = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	w.peers.set(nodeID(77), tlsnet.Peer{Standing: tlsnet.Expelled})
	for name, test := range map[string]struct {
		config *tls.Config
		says   []byte
	}{
		"unknown key, frames":    {&tls.Config{Certificates: []tls.Certificate{certificate(t, 66)}, NextProtos: []string{"grange-frames/1"}}, hello},
		"unknown key, calls":     {&tls.Config{Certificates: []tls.Certificate{certificate(t, 66)}, NextProtos: []string{"h2"}}, []byte(request)},
		"unknown key, join":      {&tls.Config{Certificates: []tls.Certificate{certificate(t, 66)}, NextProtos: []string{"grange-join/1"}}, hello},
		"unknown key, no ALPN":   {&tls.Config{Certificates: []tls.Certificate{certificate(t, 66)}}, hello},
		"expelled key":           {&tls.Config{Certificates: []tls.Certificate{certificate(t, 77)}, NextProtos: []string{"h2"}}, []byte(request)},
		"no certificate":         {&tls.Config{NextProtos: []string{"grange-frames/1"}}, hello},
		"member's key, no ALPN":  {&tls.Config{Certificates: []tls.Certificate{certificate(t, 1)}}, hello},
		"member's key, HTTP/1.1": {&tls.Config{Certificates: []tls.Certificate{certificate(t, 1)}, NextProtos: []string{"http/1.1"}}, []byte("GET / HTTP/1.1\r\n\r\n")},
		"TLS 1.2":                {&tls.Config{Certificates: []tls.Certificate{certificate(t, 1)}, NextProtos: []string{"grange-frames/1"}, MaxVersion: tls.VersionTLS12}, hello},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialAs(t, node, test.config)
			_, _ = c.Write(test.says)
			n, err := c.Read(make([]byte, 1))
			if n != 0 || !strings.Contains(err.Error(), "remote error: tls:") {
				t.Errorf("got %d bytes, %v, want a TLS alert and nothing else", n, err)
			}
		})
	}
	refused, _ := node.events.lists()
	for _, want := range []error{tlsnet.ErrStranger, tlsnet.ErrExpelled} {
		if !hasError(refused, want) {
			t.Errorf("reported %v, want %v among it", refused, want)
		}
	}
	if len(handlerRan) > 0 {
		t.Error("a handler ran")
	}
}

// Bytes that are no TLS end the connection, and a connection that says nothing ends too.
func TestGarbageEndsTheConnection(t *testing.T) {
	w := newWorld(t)
	node := w.run(1, w.options(1), nil)
	c, err := net.Dial("tcp", node.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if rest, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") || len(rest) > 7 {
		t.Errorf("got %q, %v, want at most an alert", rest, err)
	}
}

func TestExpelledNodeIsCutOffAtOnce(t *testing.T) {
	w := newWorld(t)
	running := make(chan struct{})
	gone := make(chan struct{})
	o := w.options(1)
	o.Handlers = map[string]transport.Handler{"stay": func(ctx context.Context, _ id.Node, _ []byte) ([]byte, error) {
		close(running)
		<-ctx.Done()
		close(gone)
		return nil, ctx.Err()
	}}
	one := w.run(1, o, nil)
	two := w.run(2, w.options(2), nil)
	w.connected()
	failed := make(chan error, 1)
	go func() {
		_, err := two.Call(withTimeout(t), one.ID(), "stay", nil)
		failed <- err
	}()
	<-running
	transporttest.SendPatiently(t, two, one.ID(), transport.Log, []byte("before"))
	eventually(t, "frame", func() bool { return len(one.got.Frames(source(2, transport.Log))) == 1 })

	began := time.Now()
	w.peers.set(two.ID(), tlsnet.Peer{Standing: tlsnet.Expelled})
	one.PeersChanged()
	if err := <-failed; !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("call under way: got %v, want ErrUnreachable", err)
	}
	<-gone
	if took := time.Since(began); took > 300*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	eventually(t, "the expelled node knows", func() bool {
		_, down := two.events.lists()
		return hasError(down, tlsnet.ErrNotWelcome)
	})
	if err := one.Send(two.ID(), transport.Log, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("send to it: got %v, want ErrUnreachable", err)
	}
	if err := two.Send(one.ID(), transport.Log, []byte("after")); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("send from it: got %v, want ErrUnreachable", err)
	}
	if n := len(one.got.Frames(source(2, transport.Log))); n != 1 {
		t.Errorf("got %d frames, want the one from before", n)
	}
}

func TestImpostorIsToldNothing(t *testing.T) {
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	impostorWorld := newWorld(t) // where all are members
	impostorWorld.peers.set(one.ID(), tlsnet.Peer{Standing: tlsnet.Member})
	impostor := impostorWorld.run(66, impostorWorld.options(66), nil)
	w.peers.set(nodeID(2), tlsnet.Peer{Standing: tlsnet.Member, Address: impostor.listen.Addr().String()})
	one.PeersChanged()
	eventually(t, "the impostor is noticed", func() bool {
		_, down := one.events.lists()
		return hasError(down, tlsnet.ErrImpostor)
	})
	if err := one.Send(nodeID(2), transport.Control, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	if seen := impostor.events.seen; len(seen) != 0 {
		t.Errorf("the impostor learned %v", seen)
	}
}

// badPair runs two members that do not fit, and returns what the dialling and the other side report.
func badPair(t *testing.T, change func(*tlsnet.Options), version uint16, want error) {
	t.Helper()
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	o := w.options(2)
	change(&o)
	two := &testNode{got: new(transporttest.Recorder), events: new(events), listen: o.Listener}
	o.Events = two.events.options()
	var err error
	if two.Node, err = tlsnet.New(o); err != nil {
		t.Fatal(err)
	}
	if version > 0 {
		two.SetVersions(version, version)
	}
	transporttest.Start(t, end(two.Node), two.got)
	one.PeersChanged()
	for name, node := range map[string]*testNode{"first": one, "second": two} {
		eventually(t, name+" node reports both directions", func() bool {
			refused, down := node.events.lists()
			return hasError(refused, want) && hasError(down, want)
		})
		_, down := node.events.lists()
		if text := down[len(down)-1].Error(); strings.ContainsAny(text, "\n") || len(text) > 400 {
			t.Errorf("not one clear line: %q", text)
		}
		t.Logf("%s: %v", name, down[len(down)-1])
	}
	if _, err := one.Call(withTimeout(t), two.ID(), "x", nil); !errors.Is(err, transport.ErrUnreachable) || !errors.Is(err, want) {
		t.Errorf("call: got %v, want ErrUnreachable because of %v", err, want)
	}
}

func TestNodeOfAnotherClusterIsRefusedOnBothSides(t *testing.T) {
	badPair(t, func(o *tlsnet.Options) { o.Cluster = [16]byte{'o', 't', 'h', 'e', 'r'} }, 0, tlsnet.ErrCluster)
}

func TestProgramsTooFarApartRefuseEachOther(t *testing.T) {
	badPair(t, func(*tlsnet.Options) {}, 2, tlsnet.ErrVersion)
}

func TestNewerProgramSpeaksTheOlderProtocol(t *testing.T) {
	w := newWorld(t)
	o := w.options(1)
	old := w.run(1, w.options(2), nil)
	newer, err := tlsnet.New(o)
	if err != nil {
		t.Fatal(err)
	}
	newer.SetVersions(1, 5)
	r := new(transporttest.Recorder)
	transporttest.Start(t, end(newer), r)
	transporttest.SendPatiently(t, newer, old.ID(), transport.Log, []byte("hi"))
	transporttest.SendPatiently(t, old, newer.ID(), transport.Log, []byte("hi"))
	eventually(t, "frames both ways", func() bool {
		return len(old.got.Frames(source(1, transport.Log))) == 1 && len(r.Frames(source(2, transport.Log))) == 1
	})
	if v := newer.Stats()[0].Version; v != 1 {
		t.Errorf("they speak version %d, want 1", v)
	}
}

func TestSecondNodeWithTheSameIdentityIsRefused(t *testing.T) {
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	two := w.run(2, w.options(2), nil)
	w.connected()
	transporttest.SendPatiently(t, two, one.ID(), transport.Log, []byte("first"))

	copied := w.options(2)
	original := tlsnet.Peer{Standing: tlsnet.Member, Address: two.listen.Addr().String()}
	w.peers.set(two.ID(), original)
	e := new(events)
	copied.Events = e.options()
	clone, err := tlsnet.New(copied)
	if err != nil {
		t.Fatal(err)
	}
	transporttest.Start(t, end(clone), new(transporttest.Recorder))
	eventually(t, "both sides report it", func() bool {
		_, down := e.lists()
		refused, _ := one.events.lists()
		return hasError(down, tlsnet.ErrDuplicate) && hasError(refused, tlsnet.ErrDuplicate)
	})
	transporttest.SendPatiently(t, two, one.ID(), transport.Log, []byte("second"))
	eventually(t, "the first one goes on", func() bool { return len(one.got.Frames(source(2, transport.Log))) == 2 })
	if n := two.stats(one.ID()).Streams[transport.Log].Connects; n != 1 {
		t.Errorf("the first one had to connect %d times", n)
	}
}

func TestRestartedNodeIsNoDuplicate(t *testing.T) {
	w := newWorld(t)
	one := w.run(1, w.options(1), nil)
	for i := range 3 {
		two := w.run(2, w.options(2), nil)
		transporttest.SendPatiently(t, two, one.ID(), transport.Log, []byte{byte(i)})
		eventually(t, "frame", func() bool { return len(one.got.Frames(source(2, transport.Log))) == i+1 })
		two.stop()
	}
	if refused, _ := one.events.lists(); hasError(refused, tlsnet.ErrDuplicate) {
		t.Errorf("reported %v", refused)
	}
}

// What a member with its own HTTP client gets when it does not keep to the protocol.
func TestCallsOutsideTheProtocolAreRefused(t *testing.T) {
	w := newWorld(t)
	o := w.options(1)
	o.Handlers = map[string]transport.Handler{"x": func(context.Context, id.Node, []byte) ([]byte, error) { return nil, nil }}
	node := w.run(1, o, nil)
	w.peers.set(nodeID(2), tlsnet.Peer{Standing: tlsnet.Member})
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{certificate(t, 2)},
		},
	}}
	defer client.CloseIdleConnections()
	for name, test := range map[string]struct {
		path, cluster, version string
		want                   int
	}{
		"right":           {"/call/x", "636c7573746572000000000000000000", "1", 200},
		"other cluster":   {"/call/x", "00", "1", 421},
		"newer version":   {"/call/x", "636c7573746572000000000000000000", "2", 426},
		"no version":      {"/call/x", "636c7573746572000000000000000000", "", 426},
		"unknown path":    {"/admin", "636c7573746572000000000000000000", "1", 400},
		"unknown method":  {"/call/y", "636c7573746572000000000000000000", "1", 422},
		"stream, no head": {"/stream/x", "636c7573746572000000000000000000", "1", 422},
	} {
		r, _ := http.NewRequest(http.MethodPost, "https://"+node.listen.Addr().String()+test.path, nil)
		r.Header.Set("Grange-Cluster", test.cluster)
		r.Header.Set("Grange-Protocol", test.version)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != test.want {
			t.Errorf("%s: got status %d, want %d", name, answer.StatusCode, test.want)
		}
	}
}
