// Package blocktest is the suite that every [block.Store] passes: what callers may count on, whatever is underneath.
package blocktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/zeebo/blake3"

	"grange/internal/block"
	"grange/internal/id"
)

// Run runs the suite. newStore returns an empty store, and cleans up with t.
func Run(t *testing.T, newStore func(t *testing.T) block.Store) {
	tests := map[string]func(t *testing.T, s block.Store){
		"a block is read back whole, whatever its size":            readsBackAnySize,
		"a range is the same range of the content":                 readsRanges,
		"a missing block is not found":                             missingIsNotFound,
		"a block of one bucket is not found in another":            bucketsAreApart,
		"a block put twice is stored once":                         dedupes,
		"the highest epoch of all puts counts":                     epochsOnlyRise,
		"a delete spares copies of its epoch and later":            deleteComparesEpochs,
		"a deleted block can be put again, with any epoch":         putAfterDelete,
		"each goes in order of hash and bucket":                    eachIsOrdered,
		"each begins at a hash and stops when told":                eachBeginsAndStops,
		"a block that is too large is refused":                     refusesTooLarge,
		"an ended context is an error":                             honoursContext,
		"data may be changed after put":                            dataIsNotKept,
		"puts of one block at once all succeed":                    concurrentPutsOfOne,
		"puts, reads and deletes of many blocks at once are sound": concurrentMix,
		"a delete of an old epoch never beats a put of a new one":  deleteRacesPut,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newStore(t)) })
	}
}

// Data is n bytes that depend on the seed; an even seed makes data that compresses well.
func Data(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+128)
	for len(b) < n {
		if seed%2 == 0 {
			b = fmt.Appendf(b, "line %d of the block with seed %d\n", rng.Uint32()%1000, seed)
		} else {
			b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
		}
	}
	return b[:n:n]
}

// Addr is the address of data in a bucket.
func Addr(bucket id.Bucket, data []byte) block.Address {
	return block.Address{Bucket: bucket, Hash: blake3.Sum256(data)}
}

// Read reads a whole block, with one byte to spare, so that the end of the block is tested too.
func Read(ctx context.Context, s block.Store, addr block.Address, size int) ([]byte, error) {
	dst := make([]byte, size+1)
	n, err := s.ReadAt(ctx, addr, dst, 0)
	return dst[:n], err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s block.Store, bucket id.Bucket, epoch block.Epoch, data []byte) block.Address {
	t.Helper()
	addr := Addr(bucket, data)
	must(t, s.Put(t.Context(), addr, epoch, data))
	return addr
}

func wantData(t *testing.T, s block.Store, addr block.Address, want []byte) {
	t.Helper()
	got, err := Read(t.Context(), s, addr, len(want))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, error %v, want the %d bytes that were put", len(got), err, len(want))
	}
}

func wantNotFound(t *testing.T, s block.Store, addr block.Address) {
	t.Helper()
	if _, err := s.ReadAt(t.Context(), addr, make([]byte, 1), 0); !errors.Is(err, block.ErrNotFound) {
		t.Fatalf("read error %v, want ErrNotFound", err)
	}
	if _, err := s.Stat(t.Context(), addr); !errors.Is(err, block.ErrNotFound) {
		t.Fatalf("stat error %v, want ErrNotFound", err)
	}
}

func wantEpoch(t *testing.T, s block.Store, addr block.Address, want block.Epoch) {
	t.Helper()
	info, err := s.Stat(t.Context(), addr)
	if err != nil || info.Epoch != want {
		t.Fatalf("epoch %d, error %v, want epoch %d", info.Epoch, err, want)
	}
}

func readsBackAnySize(t *testing.T, s block.Store) {
	for i, n := range []int{0, 1, 63, 64, 65, 4096, 65535, 65536, 65537, 200_000, 1 << 20, 1<<20 + 1, block.SizeMax} {
		for seed := range uint64(2) {
			if seed == 0 && n == block.SizeMax {
				continue // one of that size is enough
			}
			data := Data(uint64(2*i)+seed, n)
			addr := put(t, s, 1, 1, data)
			wantData(t, s, addr, data)
			info, err := s.Stat(t.Context(), addr)
			must(t, err)
			if info.Address != addr || info.Size != n {
				t.Fatalf("stat %+v, want address %v and size %d", info, addr, n)
			}
		}
	}
}

func readsRanges(t *testing.T, s block.Store) {
	rng := rand.New(rand.NewPCG(7, 7))
	for seed := range uint64(4) {
		data := Data(seed, 300_000)
		if seed == 3 { // compressed and plain chunks take turns
			data = append(append(Data(1, 65536), Data(2, 65536)...), Data(3, 100_000)...)
		}
		addr := put(t, s, 1, 1, data)
		for range 200 {
			off, n := rng.IntN(len(data)+10), rng.IntN(140_000)
			dst := make([]byte, n)
			got, err := s.ReadAt(t.Context(), addr, dst, int64(off))
			must(t, err)
			want := data[min(off, len(data)):min(off+n, len(data))]
			if !bytes.Equal(dst[:got], want) {
				t.Fatalf("range of %d bytes at %d: got %d bytes that differ from the content, want %d", n, off, got, len(want))
			}
		}
		if _, err := s.ReadAt(t.Context(), addr, make([]byte, 1), -1); err == nil {
			t.Fatal("a negative offset is no error, want one")
		}
	}
}

func missingIsNotFound(t *testing.T, s block.Store) {
	wantNotFound(t, s, Addr(1, []byte("never put")))
	must(t, s.Delete(t.Context(), Addr(1, []byte("never put")), 9))
}

func bucketsAreApart(t *testing.T, s block.Store) {
	data := Data(1, 1000)
	one := put(t, s, 1, 1, data)
	wantNotFound(t, s, block.Address{Bucket: 2, Hash: one.Hash})
	two := put(t, s, 2, 1, data)
	must(t, s.Delete(t.Context(), one, 2))
	wantNotFound(t, s, one)
	wantData(t, s, two, data)
}

func dedupes(t *testing.T, s block.Store) {
	data := Data(2, 100_000)
	addr := put(t, s, 1, 1, data)
	put(t, s, 1, 1, data)
	put(t, s, 1, 2, data)
	n := 0
	must(t, s.Each(t.Context(), id.Hash{}, func(i block.Info) bool {
		n++
		return i.Address == addr
	}))
	if n != 1 {
		t.Fatalf("%d copies, want 1", n)
	}
}

func epochsOnlyRise(t *testing.T, s block.Store) {
	data := Data(1, 5000)
	addr := put(t, s, 1, 5, data)
	wantEpoch(t, s, addr, 5)
	put(t, s, 1, 9, data)
	wantEpoch(t, s, addr, 9)
	put(t, s, 1, 7, data)
	wantEpoch(t, s, addr, 9)
	wantData(t, s, addr, data)
}

func deleteComparesEpochs(t *testing.T, s block.Store) {
	data := Data(1, 5000)
	addr := put(t, s, 1, 5, data)
	must(t, s.Delete(t.Context(), addr, 4))
	must(t, s.Delete(t.Context(), addr, 5))
	wantData(t, s, addr, data)
	put(t, s, 1, 6, data)
	must(t, s.Delete(t.Context(), addr, 6))
	wantData(t, s, addr, data)
	must(t, s.Delete(t.Context(), addr, 7))
	wantNotFound(t, s, addr)
}

func putAfterDelete(t *testing.T, s block.Store) {
	data := Data(1, 5000)
	addr := put(t, s, 1, 5, data)
	must(t, s.Delete(t.Context(), addr, 6))
	put(t, s, 1, 2, data)
	wantEpoch(t, s, addr, 2)
	wantData(t, s, addr, data)
}

func eachIsOrdered(t *testing.T, s block.Store) {
	const blocks = 1500
	for i := range blocks {
		data := fmt.Appendf(nil, "block %d", i)
		put(t, s, id.Bucket(i%3), 1, data)
		if i%5 == 0 {
			put(t, s, 300, 1, data)
		}
		if i%7 == 0 {
			must(t, s.Delete(t.Context(), Addr(id.Bucket(i%3), data), 2))
		}
	}
	var last block.Address
	n := 0
	must(t, s.Each(t.Context(), id.Hash{}, func(i block.Info) bool {
		c := bytes.Compare(last.Hash[:], i.Hash[:])
		if n > 0 && (c > 0 || c == 0 && last.Bucket >= i.Bucket) {
			t.Errorf("%v comes before %v, want the other order", last, i.Address)
		}
		last = i.Address
		n++
		return true
	}))
	if want := blocks + blocks/5 - (blocks+6)/7; n != want {
		t.Fatalf("%d copies, want %d", n, want)
	}
}

func eachBeginsAndStops(t *testing.T, s block.Store) {
	for i := range 20 {
		put(t, s, 1, 1, fmt.Appendf(nil, "block %d", i))
	}
	var all []id.Hash
	must(t, s.Each(t.Context(), id.Hash{}, func(i block.Info) bool {
		all = append(all, i.Hash)
		return true
	}))
	var some []id.Hash
	must(t, s.Each(t.Context(), all[7], func(i block.Info) bool {
		some = append(some, i.Hash)
		return len(some) < 5
	}))
	if len(all) != 20 || len(some) != 5 || some[0] != all[7] || some[4] != all[11] {
		t.Fatalf("got %d and %v, want 20 and the 5 from the eighth on", len(all), some)
	}
}

func refusesTooLarge(t *testing.T, s block.Store) {
	data := make([]byte, block.SizeMax+1)
	addr := Addr(1, data)
	if err := s.Put(t.Context(), addr, 1, data); err == nil {
		t.Fatal("no error, want one")
	}
	wantNotFound(t, s, addr)
}

func honoursContext(t *testing.T, s block.Store) {
	addr := put(t, s, 1, 1, []byte("here"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"put":  func() error { return s.Put(ctx, Addr(1, []byte("new")), 1, []byte("new")) },
		"read": func() error { _, err := s.ReadAt(ctx, addr, make([]byte, 4), 0); return err },
		"stat": func() error { _, err := s.Stat(ctx, addr); return err },
		"each": func() error { return s.Each(ctx, id.Hash{}, func(block.Info) bool { return true }) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
	}
}

func dataIsNotKept(t *testing.T, s block.Store) {
	data := Data(1, 100_000)
	addr := put(t, s, 1, 1, data)
	want := bytes.Clone(data)
	clear(data)
	wantData(t, s, addr, want)
}

func concurrentPutsOfOne(t *testing.T, s block.Store) {
	data := Data(1, 200_000)
	addr := Addr(1, data)
	var wg sync.WaitGroup
	for epoch := range block.Epoch(16) {
		wg.Go(func() {
			if err := s.Put(t.Context(), addr, epoch, data); err != nil {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	wantEpoch(t, s, addr, 15)
	wantData(t, s, addr, data)
}

// Each worker has buckets of its own and knows what must be there; all work on the same hashes.
func concurrentMix(t *testing.T, s block.Store) {
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			epochs := map[uint64]block.Epoch{}
			for range 150 {
				seed := rng.Uint64N(12)
				data := Data(seed, int(1000+seed*9000))
				addr := Addr(id.Bucket(w+1), data)
				epoch := block.Epoch(rng.IntN(20) + 1)
				have, live := epochs[seed]
				switch rng.IntN(3) {
				case 0:
					if err := s.Put(t.Context(), addr, epoch, data); err != nil {
						t.Errorf("put: %v", err)
						return
					}
					epochs[seed] = max(have, epoch)
				case 1:
					if err := s.Delete(t.Context(), addr, epoch); err != nil {
						t.Errorf("delete: %v", err)
						return
					}
					if live && have < epoch {
						delete(epochs, seed)
					}
				default:
					got, err := Read(t.Context(), s, addr, len(data))
					if live && (err != nil || !bytes.Equal(got, data)) || !live && !errors.Is(err, block.ErrNotFound) {
						t.Errorf("read %d bytes, error %v; the block is there: %v", len(got), err, live)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func deleteRacesPut(t *testing.T, s block.Store) {
	for i := range uint64(30) {
		data := Data(i, 20_000)
		addr := put(t, s, 1, 1, data)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Delete(t.Context(), addr, 5); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		wg.Go(func() {
			if err := s.Put(t.Context(), addr, 5, data); err != nil {
				t.Errorf("put: %v", err)
			}
		})
		wg.Wait()
		wantData(t, s, addr, data)
		wantEpoch(t, s, addr, 5)
	}
}
