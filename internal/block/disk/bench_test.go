package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zeebo/blake3"

	"grange/internal/block"
	"grange/internal/block/blocktest"
)

// benchStore is a store on the real disk, in GRANGE_BENCH_DIR if that is set.
func benchStore(b *testing.B) *Store {
	dir := b.TempDir()
	if base := os.Getenv("GRANGE_BENCH_DIR"); base != "" {
		dir = filepath.Join(base, b.Name())
		b.Cleanup(func() { os.RemoveAll(dir) })
	}
	s, err := Open(Options{Dirs: []DirOptions{{Path: dir}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		for _, kind := range []string{"random", "text"} {
			b.Run(fmt.Sprintf("writers=%d/%s", writers, kind), func(b *testing.B) {
				const size = 1 << 20
				s := benchStore(b)
				b.SetBytes(size)
				var n atomic.Uint64
				var wg sync.WaitGroup
				b.ResetTimer()
				for range writers {
					wg.Go(func() {
						seed := uint64(1)
						if kind == "text" {
							seed = 2
						}
						data := blocktest.Data(seed, size)
						for i := n.Add(1); i <= uint64(b.N); i = n.Add(1) {
							binary.LittleEndian.PutUint64(data[size/2:], i)
							var addr block.Address // a number is as good as a hash here, and hashing is the caller's
							binary.LittleEndian.PutUint64(addr.Hash[:], i)
							if err := s.Put(b.Context(), addr, 1, data); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, kind := range []string{"random", "text"} {
		for _, n := range []int{4 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/bytes=%d", kind, n), func(b *testing.B) {
				s := benchStore(b)
				seed := uint64(1)
				if kind == "text" {
					seed = 2
				}
				const blocks = 64
				var addrs []block.Address
				for i := range uint64(blocks) {
					data := blocktest.Data(seed+2*i, 1<<20)
					addrs = append(addrs, block.Address{Bucket: 1, Hash: blake3.Sum256(data)})
					if err := s.Put(b.Context(), addrs[i], 1, data); err != nil {
						b.Fatal(err)
					}
				}
				dst := make([]byte, n)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					off := int64(i*n) % (1 << 20)
					if got, err := s.ReadAt(b.Context(), addrs[i*n>>20%blocks], dst, off); got != n || err != nil {
						b.Fatalf("read %d bytes, error %v", got, err)
					}
					i++
				}
			})
		}
	}
}
