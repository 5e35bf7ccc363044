package tlsnet

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"grange/internal/id"
	"grange/internal/transport"
)

const (
	streamsPerConn  = 256
	callIdle        = 10 * time.Minute
	copyBuffer      = 64 << 10
	requestBytesMax = 2 * transport.FrameBytesMax // of all calls of one node that are being served
)

// callServer serves the calls of other nodes.
type callServer struct {
	n        *Node
	incoming chan net.Conn
	ended    chan struct{} // closed when nobody takes from incoming any more
	closed   chan struct{} // closed by Close of the listener

	closeOnce sync.Once
	http      *http.Server
	conns     sync.WaitGroup
	handlers  sync.WaitGroup
	mu        struct {
		sync.Mutex
		budgets  map[id.Node]*budget
		stopping bool
	}
}

// budget bounds the requests of one node that are in memory.
type budget struct {
	weight *semaphore.Weighted
	users  int
}

// memberKey is where the context of a connection keeps the node at its other end.
type memberKey struct{}

func (s *callServer) init(n *Node) {
	s.n, s.incoming, s.ended = n, make(chan net.Conn), make(chan struct{})
	s.closed = make(chan struct{})
	s.mu.budgets = map[id.Node]*budget{}
	s.http = &http.Server{
		Handler:        http.HandlerFunc(s.handle),
		Protocols:      new(http.Protocols),
		MaxHeaderBytes: 16 << 10,
		IdleTimeout:    callIdle,
		ErrorLog:       slog.NewLogLogger(n.opt.Logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsPerConn, MaxReceiveBufferPerStream: receiveBuffer,
			MaxReceiveBufferPerConnection: 4*receiveBuffer - 1, // the largest that net/http takes
			SendPingTimeout:               n.opt.DeadAfter, PingTimeout: n.opt.DeadAfter,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			who, _ := nodeIn(c.(*tls.Conn).ConnectionState()) // was looked at before the connection came here
			return context.WithValue(ctx, memberKey{}, who)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
			case http.StateClosed:
				s.conns.Done()
			default:
			}
		},
	}
	s.http.Protocols.SetHTTP2(true)
}

// run serves until ctx ends, and returns when no handler runs any more.
func (s *callServer) run(ctx context.Context) {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	_ = s.http.Serve((*callListener)(s)) // ends by Close only: the listener has no failure of its own
	_ = s.http.Close()
	close(s.ended)
	s.conns.Wait()
	s.mu.Lock()
	s.mu.stopping = true
	s.mu.Unlock()
	s.handlers.Wait()
}

// enter counts a handler, unless the node has stopped waiting for handlers.
func (s *callServer) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopping {
		return false
	}
	s.handlers.Add(1)
	return true
}

// hand gives a connection to the server.
func (s *callServer) hand(ctx context.Context, m *member) {
	select {
	case s.incoming <- m.tls:
	case <-ctx.Done():
		_ = m.tls.Close()
	case <-s.ended:
		_ = m.tls.Close()
	}
}

// callListener gives net/http the connections that are for calls.
type callListener callServer

// Accept waits for the next connection, or for the end.
func (l *callListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *callListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address of the node's listener.
func (l *callListener) Addr() net.Addr { return l.n.opt.Listener.Addr() }

// handle serves one call.
func (s *callServer) handle(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.handlers.Done()
	from, _ := r.Context().Value(memberKey{}).(id.Node)
	if p := s.n.peer(from); p != nil {
		p.served.underWay.Add(1)
		defer p.served.underWay.Add(-1)
		defer p.served.done.Add(1)
	}
	defer s.recoverHandler(w, r)
	if status, text := s.check(r, from); status != 0 {
		http.Error(w, text, status)
		return
	}
	if method, ok := strings.CutPrefix(r.URL.Path, pathCall); ok {
		s.serveCall(w, r, from, method)
		return
	}
	if method, ok := strings.CutPrefix(r.URL.Path, pathStream); ok {
		s.serveStream(w, r, from, method)
		return
	}
	http.Error(w, "no such path", statusRefused)
}

// check compares what the caller is with what this node is. It returns 0 when they fit.
func (s *callServer) check(r *http.Request, from id.Node) (status int, text string) {
	n := s.n
	if cluster := hex.EncodeToString(n.opt.Cluster[:]); r.Header.Get(headerCluster) != cluster {
		return statusMisplace, fmt.Sprintf("%v: node %s is of cluster %s", ErrCluster, n.self.Short(), cluster)
	}
	version, err := strconv.ParseUint(r.Header.Get(headerProtocol), 10, 16)
	if err != nil || uint16(version) < n.versionMin || uint16(version) > n.versionMax {
		return statusVersion, fmt.Sprintf("%v: node %s speaks %d to %d", ErrVersion, n.self.Short(), n.versionMin, n.versionMax)
	}
	if err := n.admit(from); err != nil {
		return statusRefused, err.Error()
	}
	return 0, ""
}

// recoverHandler keeps a handler's panic from ending more than its call.
func (s *callServer) recoverHandler(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http cuts the answer short
	}
	s.n.opt.Logger.LogAttrs(r.Context(), slog.LevelError, "handler of a call panicked",
		slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	w.Header().Set(headerCode, transport.CodePanic)
	http.Error(w, "the handler failed", statusError)
}

func (s *callServer) serveCall(w http.ResponseWriter, r *http.Request, from id.Node, method string) {
	h := s.n.opt.Handlers[method]
	if h == nil {
		s.fail(w, transport.ErrUnknownMethod)
		return
	}
	if r.ContentLength < 0 || r.ContentLength > transport.FrameBytesMax {
		http.Error(w, "size of the request", statusRefused)
		return
	}
	release, err := s.reserve(r.Context(), from, r.ContentLength)
	if err != nil {
		return // the caller is gone
	}
	defer release()
	request, err := readSized(r.Body, r.ContentLength, transport.FrameBytesMax)
	if err != nil {
		return // the caller is gone, or has given up
	}
	answer, err := h(r.Context(), from, request)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // a caller that is gone learns nothing
}

func (s *callServer) serveStream(w http.ResponseWriter, r *http.Request, from id.Node, method string) {
	h := s.n.opt.Streams[method]
	if h == nil {
		s.fail(w, transport.ErrUnknownMethod)
		return
	}
	request, err := readHead(r.Body)
	if err != nil {
		http.Error(w, printable(err.Error()), statusRefused)
		return
	}
	answer, out, err := h(r.Context(), from, request, r.Body)
	if err == nil && len(answer) > transport.HeaderBytesMax {
		err = fmt.Errorf("answer of %d bytes, more than %d", len(answer), transport.HeaderBytesMax)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	if out == nil {
		out = http.NoBody
	}
	defer out.Close()
	if _, err = w.Write(withLength(answer)); err == nil {
		_, err = io.CopyBuffer(onlyWriter{w}, out, make([]byte, copyBuffer))
	}
	if err != nil {
		panic(http.ErrAbortHandler) // so that a part never looks like the whole
	}
}

// onlyWriter hides that a response can read by itself, in small pieces.
type onlyWriter struct{ io.Writer }

// fail answers with the error of a handler.
func (s *callServer) fail(w http.ResponseWriter, err error) {
	code, detail := s.n.opt.Errors.Encode(err)
	w.Header().Set(headerCode, code)
	w.Header().Set(headerDetail, base64.RawStdEncoding.EncodeToString(detail))
	text := err.Error()
	w.WriteHeader(statusError)
	_, _ = io.WriteString(w, text[:min(len(text), textBytesMax)])
}

// reserve waits until a request of a node fits into what its requests may take, and returns what gives it back.
func (s *callServer) reserve(ctx context.Context, from id.Node, size int64) (release func(), err error) {
	s.mu.Lock()
	b := s.mu.budgets[from]
	if b == nil {
		b = &budget{weight: semaphore.NewWeighted(requestBytesMax)}
		s.mu.budgets[from] = b
	}
	b.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.users--; b.users == 0 {
			delete(s.mu.budgets, from)
		}
	}
	if err := b.weight.Acquire(ctx, size); err != nil {
		leave()
		return nil, err
	}
	return func() { b.weight.Release(size); leave() }, nil
}
