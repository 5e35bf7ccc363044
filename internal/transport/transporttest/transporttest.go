// Package transporttest is the suite that every implementation of package transport passes.
package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
)

// Config is what the suite wants each node of a network to have.
type Config struct {
	Handlers map[string]transport.Handler
	Streams  map[string]transport.StreamHandler
	Errors   transport.ErrorCodes
}

// End is one node of a network under test.
type End struct {
	ID id.Node
	transport.Sender
	transport.Caller
	transport.StreamCaller
	// Run runs the node until ctx ends.
	Run func(ctx context.Context, r transport.Receiver) error
}

// Network makes so many nodes that know each other. Nothing of them runs yet.
type Network func(t testing.TB, nodes int, c Config) []End

// ErrFact and TypedError are the errors that keep their kind in the suite.
var ErrFact = errors.New("transporttest: a fact")

// TypedError carries a value.
type TypedError struct{ Value byte }

// Error shows the value.
func (e TypedError) Error() string { return fmt.Sprintf("transporttest: value %d", e.Value) }

// Recorder is a receiver that keeps what it gets.
type Recorder struct {
	// Hold, if set, is called before each frame is kept, and may block.
	Hold func(ctx context.Context, class transport.Class)
	mu   struct {
		sync.Mutex
		frames map[Source][][]byte
		lost   map[id.Node]int
	}
}

// Source is one stream.
type Source struct {
	From  id.Node
	Class transport.Class
}

// Receive keeps a frame.
func (r *Recorder) Receive(ctx context.Context, from id.Node, class transport.Class, frame []byte) {
	if r.Hold != nil {
		r.Hold(ctx, class)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.frames == nil {
		r.mu.frames = map[Source][][]byte{}
	}
	s := Source{from, class}
	r.mu.frames[s] = append(r.mu.frames[s], frame)
}

// Unreachable counts.
func (r *Recorder) Unreachable(to id.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.lost == nil {
		r.mu.lost = map[id.Node]int{}
	}
	r.mu.lost[to]++
}

// Frames is what has come in one stream.
func (r *Recorder) Frames(s Source) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mu.frames[s])
}

// Losses counts the reports that frames to a node may have been lost.
func (r *Recorder) Losses(to id.Node) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.lost[to]
}

// Eventually waits until a condition holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Start runs a node. The function that it returns stops it, and is called at the end of the test if not before.
func Start(t testing.TB, e End, r transport.Receiver) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, r) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// SendPatiently sends a frame, again while the queue is full or the node not there yet.
func SendPatiently(t testing.TB, from transport.Sender, to id.Node, class transport.Class, frame []byte) {
	t.Helper()
	Eventually(t, "frame queued", func() bool { return from.Send(to, class, frame) == nil })
}

// Run tests an implementation.
func Run(t *testing.T, network Network) {
	for name, test := range map[string]func(*testing.T, Network){
		"frames of a class arrive in order, and name their sender":      framesInOrder,
		"a frame of any size up to the limit arrives whole":             framesOfAllSizes,
		"a frame over the limit is refused":                             frameTooLarge,
		"a blocked class holds up no other":                             classesAreIndependent,
		"a full queue refuses and does not block":                       fullQueue,
		"a node that nobody knows is unreachable":                       unknownNode,
		"a node that has stopped becomes unreachable":                   stoppedNode,
		"a node that was stopped itself reaches nobody":                 stoppedCaller,
		"a call returns its answer and names the caller":                callAnswers,
		"a node can call itself":                                        callSelf,
		"errors keep their kind and text on the way":                    errorsTravel,
		"a call of an unknown method says so":                           unknownMethod,
		"a call ends with its context":                                  callEndsWithContext,
		"many calls at a time do not mix":                               manyCalls,
		"bodies stream both ways":                                       streamsBothWays,
		"a body that breaks off is an error":                            brokenBody,
		"a stream that is closed early leaves its source to the caller": streamClosedEarly,
	} {
		t.Run(name, func(t *testing.T) { test(t, network) })
	}
}

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// start makes and runs nodes, with one recorder each.
func start(t *testing.T, network Network, nodes int, c Config) ([]End, []*Recorder) {
	ends := network(t, nodes, c)
	recorders := make([]*Recorder, nodes)
	for i, e := range ends {
		recorders[i] = new(Recorder)
		Start(t, e, recorders[i])
	}
	return ends, recorders
}

func numbered(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func framesInOrder(t *testing.T, network Network) {
	const frames = 500
	ends, got := start(t, network, 3, Config{})
	var wg sync.WaitGroup
	for _, from := range []int{0, 1} {
		for class := range transport.Class(transport.Classes) {
			wg.Go(func() {
				for i := range frames {
					SendPatiently(t, ends[from], ends[2].ID, class, numbered(i))
				}
			})
		}
	}
	wg.Wait()
	for _, from := range []int{0, 1} {
		for class := range transport.Class(transport.Classes) {
			s := Source{ends[from].ID, class}
			Eventually(t, "all frames", func() bool { return len(got[2].Frames(s)) == frames })
			for i, f := range got[2].Frames(s) {
				if !bytes.Equal(f, numbered(i)) {
					t.Fatalf("class %d: frame %d is %x", class, i, f)
				}
			}
		}
	}
}

func framesOfAllSizes(t *testing.T, network Network) {
	ends, got := start(t, network, 2, Config{})
	sizes := []int{0, 1, 255, 4096, 16 << 10, 64<<10 - 12, 300 << 10, 3<<20 + 1, transport.FrameBytesMax}
	for _, size := range sizes {
		frame := make([]byte, size)
		for i := range frame {
			frame[i] = byte(i>>8 ^ i ^ size)
		}
		SendPatiently(t, ends[0], ends[1].ID, transport.Bulk, frame)
		s := Source{ends[0].ID, transport.Bulk}
		var all [][]byte
		Eventually(t, fmt.Sprintf("frame of %d bytes", size), func() bool {
			all = got[1].Frames(s)
			return len(all) > 0 && len(all[len(all)-1]) == size
		})
		if !bytes.Equal(all[len(all)-1], frame) {
			t.Errorf("the frame of %d bytes has changed on the way", size)
		}
	}
}

func frameTooLarge(t *testing.T, network Network) {
	ends, _ := start(t, network, 2, Config{})
	if err := ends[0].Send(ends[1].ID, transport.Bulk, make([]byte, transport.FrameBytesMax+1)); err == nil {
		t.Error("it was taken")
	}
}

func classesAreIndependent(t *testing.T, network Network) {
	ends := network(t, 2, Config{})
	release := make(chan struct{})
	r := &Recorder{Hold: func(ctx context.Context, class transport.Class) {
		if class == transport.Bulk {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
	}}
	Start(t, ends[0], new(Recorder))
	Start(t, ends[1], r)
	chunk := make([]byte, 1<<20)
	SendPatiently(t, ends[0], ends[1].ID, transport.Bulk, chunk)
	for full, deadline := false, time.Now().Add(10*time.Second); !full && time.Now().Before(deadline); {
		full = errors.Is(ends[0].Send(ends[1].ID, transport.Bulk, chunk), transport.ErrQueueFull)
	}
	for i := range 100 {
		SendPatiently(t, ends[0], ends[1].ID, transport.Control, numbered(i))
		SendPatiently(t, ends[0], ends[1].ID, transport.Log, numbered(i))
	}
	for _, class := range []transport.Class{transport.Control, transport.Log} {
		Eventually(t, "all frames of the other classes", func() bool {
			return len(r.Frames(Source{ends[0].ID, class})) == 100
		})
	}
	if n := len(r.Frames(Source{ends[0].ID, transport.Bulk})); n != 0 {
		t.Errorf("%d frames passed a receiver that holds them up", n)
	}
	close(release)
}

func fullQueue(t *testing.T, network Network) {
	ends := network(t, 2, Config{})
	r := &Recorder{Hold: func(ctx context.Context, _ transport.Class) { <-ctx.Done() }}
	Start(t, ends[0], new(Recorder))
	Start(t, ends[1], r)
	frame := make([]byte, 1<<20)
	SendPatiently(t, ends[0], ends[1].ID, transport.Log, frame)
	for range 20000 {
		began := time.Now()
		err := ends[0].Send(ends[1].ID, transport.Log, frame)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("send took %v", took)
		}
		if errors.Is(err, transport.ErrQueueFull) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("a receiver that takes nothing was sent 20 GB")
}

func unknownNode(t *testing.T, network Network) {
	ends, _ := start(t, network, 1, Config{})
	nobody := id.Node{1, 2, 3}
	if err := ends[0].Send(nobody, transport.Log, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("send: got %v, want ErrUnreachable", err)
	}
	if _, err := ends[0].Call(withTimeout(t), nobody, "x", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("call: got %v, want ErrUnreachable", err)
	}
	if _, _, err := ends[0].CallStream(withTimeout(t), nobody, "x", nil, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("streaming call: got %v, want ErrUnreachable", err)
	}
}

func stoppedNode(t *testing.T, network Network) {
	c := Config{Handlers: map[string]transport.Handler{
		"echo": func(_ context.Context, _ id.Node, request []byte) ([]byte, error) { return request, nil },
	}}
	ends := network(t, 2, c)
	Start(t, ends[0], new(Recorder))
	stop := Start(t, ends[1], new(Recorder))
	if _, err := ends[0].Call(withTimeout(t), ends[1].ID, "echo", nil); err != nil {
		t.Fatal(err)
	}
	stop()
	Eventually(t, "send fails", func() bool {
		return errors.Is(ends[0].Send(ends[1].ID, transport.Log, nil), transport.ErrUnreachable)
	})
	if _, err := ends[0].Call(withTimeout(t), ends[1].ID, "echo", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("call: got %v, want ErrUnreachable", err)
	}
}

func stoppedCaller(t *testing.T, network Network) {
	ends := network(t, 2, Config{})
	stop := Start(t, ends[0], new(Recorder))
	Start(t, ends[1], new(Recorder))
	stop()
	if _, err := ends[0].Call(withTimeout(t), ends[1].ID, "x", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}

func callAnswers(t *testing.T, network Network) {
	c := Config{Handlers: map[string]transport.Handler{
		"tell/me": func(_ context.Context, from id.Node, request []byte) ([]byte, error) {
			return append(from[:], request...), nil
		},
	}}
	ends, _ := start(t, network, 2, c)
	for _, size := range []int{0, 1, 100 << 10, 9 << 20} {
		request := bytes.Repeat([]byte{byte(size), 7}, size/2)
		answer, err := ends[0].Call(withTimeout(t), ends[1].ID, "tell/me", request)
		if want := append(ends[0].ID[:], request...); err != nil || !bytes.Equal(answer, want) {
			t.Errorf("%d bytes: got %d, %v, want the caller and the request", size, len(answer), err)
		}
	}
}

func callSelf(t *testing.T, network Network) {
	c := Config{
		Handlers: map[string]transport.Handler{
			"who": func(_ context.Context, from id.Node, _ []byte) ([]byte, error) { return from[:], nil },
		},
		Streams: map[string]transport.StreamHandler{
			"who": func(_ context.Context, from id.Node, _ []byte, body io.Reader) ([]byte, io.ReadCloser, error) {
				return from[:], io.NopCloser(body), nil
			},
		},
	}
	ends, _ := start(t, network, 1, c)
	self := ends[0].ID
	if got, err := ends[0].Call(withTimeout(t), self, "who", nil); err != nil || !bytes.Equal(got, self[:]) {
		t.Errorf("got %x, %v, want %s", got, err, self)
	}
	got, out, err := ends[0].CallStream(withTimeout(t), self, "who", nil, strings.NewReader("body"))
	if err != nil || !bytes.Equal(got, self[:]) {
		t.Fatalf("streaming call: got %x, %v, want %s", got, err, self)
	}
	if body, err := io.ReadAll(out); err != nil || string(body) != "body" {
		t.Errorf("body: got %q, %v", body, err)
	}
}

func errorsTravel(t *testing.T, network Network) {
	failures := map[string]error{
		"fact":  fmt.Errorf("wrapped: %w", ErrFact),
		"typed": fmt.Errorf("wrapped: %w", TypedError{42}),
		"other": errors.New("only text"),
	}
	fail := func(name []byte) error { return failures[string(name)] }
	c := Config{
		Handlers: map[string]transport.Handler{
			"fail": func(_ context.Context, _ id.Node, r []byte) ([]byte, error) { return nil, fail(r) },
		},
		Streams: map[string]transport.StreamHandler{
			"fail": func(_ context.Context, _ id.Node, r []byte, _ io.Reader) ([]byte, io.ReadCloser, error) {
				return nil, nil, fail(r)
			},
		},
		Errors: transport.ErrorCodes{
			transport.Sentinel("test/fact", ErrFact),
			transport.Typed("test/typed", func(e TypedError) []byte { return []byte{e.Value} },
				func(b []byte) (TypedError, error) { return TypedError{b[0]}, nil }),
		},
	}
	ends, _ := start(t, network, 2, c)
	for name, failure := range failures {
		_, plain := ends[0].Call(withTimeout(t), ends[1].ID, "fail", []byte(name))
		_, _, streamed := ends[0].CallStream(withTimeout(t), ends[1].ID, "fail", []byte(name), nil)
		for form, err := range map[string]error{"call": plain, "stream": streamed} {
			remote, ok := errors.AsType[*transport.RemoteError](err)
			if !ok || remote.Message != failure.Error() || remote.Node != ends[1].ID || remote.Method != "fail" {
				t.Errorf("%s, %s: got %v, want a RemoteError with the text", name, form, err)
			}
			if got := errors.Is(err, ErrFact); got != (name == "fact") {
				t.Errorf("%s, %s: is ErrFact: %v", name, form, got)
			}
			typed, ok := errors.AsType[TypedError](err)
			if ok != (name == "typed") || ok && typed.Value != 42 {
				t.Errorf("%s, %s: got %v, %v as the typed error", name, form, typed, ok)
			}
			if errors.Is(err, transport.ErrUnreachable) {
				t.Errorf("%s, %s: a handler's error says that the node is unreachable", name, form)
			}
		}
	}
}

func unknownMethod(t *testing.T, network Network) {
	ends, _ := start(t, network, 2, Config{})
	_, err := ends[0].Call(withTimeout(t), ends[1].ID, "no-such", nil)
	if _, ok := errors.AsType[*transport.RemoteError](err); !ok || !errors.Is(err, transport.ErrUnknownMethod) {
		t.Errorf("got %v, want a RemoteError with ErrUnknownMethod", err)
	}
	_, _, err = ends[0].CallStream(withTimeout(t), ends[1].ID, "no-such", nil, strings.NewReader("body"))
	if !errors.Is(err, transport.ErrUnknownMethod) {
		t.Errorf("streaming call: got %v, want ErrUnknownMethod", err)
	}
}

func callEndsWithContext(t *testing.T, network Network) {
	ended := make(chan struct{})
	c := Config{Handlers: map[string]transport.Handler{
		"wait": func(ctx context.Context, _ id.Node, _ []byte) ([]byte, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		},
	}}
	ends, _ := start(t, network, 2, c)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := ends[0].Call(ctx, ends[1].ID, "wait", nil)
	_, remote := errors.AsType[*transport.RemoteError](err)
	if !remote && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the handler goes on")
	}
}

func manyCalls(t *testing.T, network Network) {
	c := Config{Handlers: map[string]transport.Handler{
		"echo": func(_ context.Context, _ id.Node, request []byte) ([]byte, error) { return request, nil },
	}}
	ends, _ := start(t, network, 2, c)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			want := bytes.Repeat(numbered(i), i)
			if got, err := ends[0].Call(withTimeout(t), ends[1].ID, "echo", want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("call %d: got %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}
