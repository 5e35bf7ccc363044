package transporttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"grange/internal/id"
	"grange/internal/transport"
)

// streams are the handlers that the tests of streaming calls use: "echo" sends the body back, "break" sends a little
// and fails, "deaf" answers without reading anything.
func streams() Config {
	return Config{Streams: map[string]transport.StreamHandler{
		"echo": func(_ context.Context, _ id.Node, head []byte, body io.Reader) ([]byte, io.ReadCloser, error) {
			return head, io.NopCloser(body), nil
		},
		"break": func(context.Context, id.Node, []byte, io.Reader) ([]byte, io.ReadCloser, error) {
			out := io.MultiReader(bytes.NewReader(make([]byte, 1000)), failingReader{})
			return []byte("head"), io.NopCloser(out), nil
		},
		"deaf": func(context.Context, id.Node, []byte, io.Reader) ([]byte, io.ReadCloser, error) {
			return []byte("heard nothing"), nil, nil
		},
	}}
}

var errBroken = errors.New("transporttest: the source broke")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errBroken }

func streamsBothWays(t *testing.T, network Network) {
	ends, _ := start(t, network, 2, streams())
	var wg sync.WaitGroup
	for i, size := range []int{0, 1, 5000, 1 << 20, 8 << 20, 3<<20 + 7} {
		wg.Go(func() {
			body := make([]byte, size)
			for j := range body {
				body[j] = byte(rand.Uint32())
			}
			head := numbered(i)
			got, out, err := ends[0].CallStream(withTimeout(t), ends[1].ID, "echo", head, bytes.NewReader(body))
			if err != nil || !bytes.Equal(got, head) {
				t.Errorf("%d bytes: got %x, %v, want the head back", size, got, err)
				return
			}
			back, err := io.ReadAll(out)
			if err != nil || !bytes.Equal(back, body) {
				t.Errorf("%d bytes: got %d back, %v", size, len(back), err)
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func brokenBody(t *testing.T, network Network) {
	ends, _ := start(t, network, 2, streams())
	head, out, err := ends[0].CallStream(withTimeout(t), ends[1].ID, "break", nil, nil)
	if err == nil { // the failure may overtake the beginning of the answer
		defer out.Close()
		if string(head) != "head" {
			t.Errorf("got head %q", head)
		}
		_, err = io.ReadAll(out)
	}
	if err == nil {
		t.Error("half a body looked like a whole one")
	}
}

// countingReader gives bytes without end, and notes whether it is read.
type countingReader struct{ reads atomic.Int64 }

func (r *countingReader) Read(p []byte) (int, error) {
	r.reads.Add(1)
	return len(p), nil
}

func streamClosedEarly(t *testing.T, network Network) {
	ends, _ := start(t, network, 2, streams())
	source := new(countingReader)
	answer, out, err := ends[0].CallStream(withTimeout(t), ends[1].ID, "deaf", nil, source)
	if err != nil || string(answer) != "heard nothing" {
		t.Fatalf("got %q, %v", answer, err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	before := source.reads.Load()
	if _, _, err := ends[0].CallStream(withTimeout(t), ends[1].ID, "deaf", nil, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if after := source.reads.Load(); after != before {
		t.Errorf("the source was read %d times after the stream was closed", after-before)
	}
}
