package raftgroup_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// BenchmarkPropose puts 4 KiB values on one node with a real disk and 16 callers.
func BenchmarkPropose(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			store, err := kv.Open(b.TempDir(), kv.Options{})
			if err != nil {
				b.Fatal(err)
			}
			n := start(b, store, 1, 1, nil)
			n.put("first", "1")
			value := make([]byte, 4096)
			rand.NewChaCha8([32]byte{}).Read(value)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			ctx := b.Context()
			var left atomic.Int64
			left.Store(int64(b.N))
			cpu := cpuTime(b)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for {
						i := left.Add(-1)
						if i < 0 {
							return
						}
						command := append(fmt.Appendf(nil, "key-%08d=", i%100000), value...)
						if _, err := n.host.Propose(ctx, group, command); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-us/op")
			_ = n.stop()
			_ = store.Close()
		})
	}
}

// cpuTime is what the process has used, compactions included: it says more than the clock on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBarrier is the price of a linearizable read on one node.
func BenchmarkBarrier(b *testing.B) {
	store, err := kv.Open(b.TempDir(), kv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	n := start(b, store, 1, 1, nil)
	n.put("a", "1")
	b.ReportAllocs()
	for b.Loop() {
		if err := n.host.Barrier(b.Context(), group); err != nil {
			b.Fatal(err)
		}
	}
	_ = n.stop()
}

var _ raftgroup.Proposer = (*raftgroup.Host)(nil)
