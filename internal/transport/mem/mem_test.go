package mem_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
	"grange/internal/transport/mem"
)

// inbox keeps what arrives.
type inbox struct {
	mu struct {
		sync.Mutex
		frames []string
	}
	block chan struct{} // when set, each frame waits for it
}

func (i *inbox) Receive(ctx context.Context, _ id.Node, _ transport.Class, frame []byte) {
	if i.block != nil {
		select {
		case <-i.block:
		case <-ctx.Done():
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mu.frames = append(i.mu.frames, string(frame))
}

func (i *inbox) Unreachable(id.Node) {}

func (i *inbox) got() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.mu.frames)
}

// pair joins two nodes, of which the second runs.
func pair(t *testing.T, in *inbox, handlers map[string]transport.Handler) (*mem.Network, *mem.Node, id.Node) {
	t.Helper()
	net := mem.New()
	from, to := id.Node{1}, id.Node{2}
	sender, receiver := net.Join(from, nil), net.Join(to, handlers)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = receiver.Run(ctx, in) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return net, sender, to
}

func TestFramesOfOneClassKeepTheirOrder(t *testing.T) {
	in := &inbox{}
	_, sender, to := pair(t, in, nil)
	var want []string
	for i := range 500 {
		frame := string(rune('a' + i%26))
		want = append(want, frame)
		if err := sender.Send(to, transport.Log, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); len(in.got()) < len(want) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if !slices.Equal(in.got(), want) {
		t.Errorf("got %d frames, or in another order", len(in.got()))
	}
}

func TestFullQueueRefusesAndOtherClassesGoOn(t *testing.T) {
	in := &inbox{block: make(chan struct{})}
	_, sender, to := pair(t, in, nil)
	var err error
	for range 100 {
		if err = sender.Send(to, transport.Bulk, []byte("bulk")); err != nil {
			break
		}
	}
	if !errors.Is(err, transport.ErrQueueFull) {
		t.Errorf("got %v, want ErrQueueFull", err)
	}
	if err := sender.Send(to, transport.Control, []byte("beat")); err != nil {
		t.Errorf("a heartbeat behind a full bulk queue: %v", err)
	}
}

func TestCutLinkIsUnreachable(t *testing.T) {
	net, sender, to := pair(t, &inbox{}, nil)
	net.Cut(id.Node{1}, to, true)
	if err := sender.Send(to, transport.Log, nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	if _, err := sender.Call(t.Context(), to, "x", nil); !errors.Is(err, transport.ErrUnreachable) {
		t.Errorf("call: got %v, want ErrUnreachable", err)
	}
	net.Cut(id.Node{1}, to, false)
	if err := sender.Send(to, transport.Log, nil); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestCallsAnswerOrFailWithARemoteError(t *testing.T) {
	_, sender, to := pair(t, &inbox{}, map[string]transport.Handler{
		"echo": func(_ context.Context, from id.Node, request []byte) ([]byte, error) {
			return append(request, from[0]), nil
		},
		"fail": func(context.Context, id.Node, []byte) ([]byte, error) { return nil, errors.New("no") },
	})
	answer, err := sender.Call(t.Context(), to, "echo", []byte{7})
	if err != nil || !slices.Equal(answer, []byte{7, 1}) {
		t.Errorf("got %v, %v", answer, err)
	}
	for _, method := range []string{"fail", "unknown"} {
		var remote *transport.RemoteError
		if _, err := sender.Call(t.Context(), to, method, nil); !errors.As(err, &remote) {
			t.Errorf("%s: got %v, want a RemoteError", method, err)
		}
	}
}
