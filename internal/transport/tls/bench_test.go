package tlsnet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"grange/internal/id"
	"grange/internal/transport"
	tlsnet "grange/internal/transport/tls"
	"grange/internal/transport/transporttest"
)

// counter is a receiver that only counts.
type counter struct{ frames atomic.Int64 }

func (c *counter) Receive(context.Context, id.Node, transport.Class, []byte) { c.frames.Add(1) }
func (c *counter) Unreachable(id.Node)                                       {}

// benchPair runs two nodes and counts what the second gets.
func benchPair(b *testing.B) (one, two *tlsnet.Node, got *counter) {
	w := newWorld(b)
	options := []tlsnet.Options{w.options(1), w.options(2)}
	options[1].Handlers = map[string]transport.Handler{
		"echo": func(_ context.Context, _ id.Node, r []byte) ([]byte, error) { return r, nil },
	}
	options[1].Streams = map[string]transport.StreamHandler{
		"sink": func(_ context.Context, _ id.Node, _ []byte, body io.Reader) ([]byte, io.ReadCloser, error) {
			_, err := io.Copy(io.Discard, body)
			return nil, nil, err
		},
		"source": func(context.Context, id.Node, []byte, io.Reader) ([]byte, io.ReadCloser, error) {
			return nil, io.NopCloser(bytes.NewReader(make([]byte, 1<<20))), nil
		},
	}
	got = new(counter)
	var nodes []*tlsnet.Node
	for i, o := range options {
		n, err := tlsnet.New(o)
		if err != nil {
			b.Fatal(err)
		}
		var r transport.Receiver = new(counter)
		if i == 1 {
			r = got
		}
		transporttest.Start(b, end(n), r)
		nodes = append(nodes, n)
	}
	eventually(b, "up", func() bool { s := nodes[0].Stats(); return len(s) == 1 && s[0].State == tlsnet.Up })
	return nodes[0], nodes[1], got
}

func BenchmarkFrames(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			one, two, got := benchPair(b)
			frame := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			sent := int64(0)
			for b.Loop() {
				for one.Send(two.ID(), transport.Log, frame) != nil {
					time.Sleep(200 * time.Microsecond) // the queue is full
				}
				sent++
			}
			eventually(b, "all frames", func() bool { return got.frames.Load() == sent })
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

func BenchmarkCall(b *testing.B) {
	for name, parallel := range map[string]bool{"one at a time": false, "parallel": true} {
		b.Run(name, func(b *testing.B) {
			one, two, _ := benchPair(b)
			request := make([]byte, 256)
			call := func() {
				if _, err := one.Call(context.Background(), two.ID(), "echo", request); err != nil {
					b.Error(err)
				}
			}
			call()
			if !parallel {
				for b.Loop() {
					call()
				}
				return
			}
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call()
				}
			})
		})
	}
}

func BenchmarkStreamMiB(b *testing.B) {
	for _, method := range []string{"sink", "source"} {
		b.Run(method, func(b *testing.B) {
			one, two, _ := benchPair(b)
			block := make([]byte, 1<<20)
			b.SetBytes(1 << 20)
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var body io.Reader
					if method == "sink" {
						body = bytes.NewReader(block)
					}
					_, out, err := one.CallStream(context.Background(), two.ID(), method, nil, body)
					if err == nil {
						_, err = io.Copy(io.Discard, out)
						_ = out.Close()
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
