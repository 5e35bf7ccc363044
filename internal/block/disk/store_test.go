package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/block"
	"grange/internal/block/blocktest"
	"grange/internal/id"
)

// world is the disks of one node and the way to open them.
type world struct {
	t    *testing.T
	opts Options
}

// newWorld has one disk in memory, with small segments.
func newWorld(t *testing.T) *world {
	return &world{t, Options{
		FS: vfs.NewMem(), Node: id.Node{1}, Cluster: [16]byte{2}, Dirs: []DirOptions{{Path: "/d0", CapacityBytes: 1 << 30}},
		SegmentBytes: 256 << 10, ReserveBytes: 1 << 20,
	}}
}

func (w *world) open() *Store {
	w.t.Helper()
	s, err := Open(w.opts)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return s
}

func (w *world) close(s *Store) {
	w.t.Helper()
	if err := s.Close(); err != nil {
		w.t.Fatalf("close: %v", err)
	}
}

// during opens the store, calls f and closes the store.
func (w *world) during(f func(s *Store)) {
	w.t.Helper()
	s := w.open()
	defer w.close(s)
	f(s)
}

func (w *world) put(s *Store, seed uint64, size int, epoch block.Epoch) block.Address {
	w.t.Helper()
	data := blocktest.Data(seed, size)
	addr := blocktest.Addr(1, data)
	if err := s.Put(w.t.Context(), addr, epoch, data); err != nil {
		w.t.Fatalf("put: %v", err)
	}
	return addr
}

func (w *world) delete(s *Store, addr block.Address, doomed block.Epoch) {
	w.t.Helper()
	if err := s.Delete(w.t.Context(), addr, doomed); err != nil {
		w.t.Fatalf("delete: %v", err)
	}
}

func (w *world) wantBlock(s *Store, seed uint64, size int) {
	w.t.Helper()
	data := blocktest.Data(seed, size)
	got, err := blocktest.Read(w.t.Context(), s, blocktest.Addr(1, data), size)
	if err != nil || string(got) != string(data) {
		w.t.Fatalf("block %d: read %d bytes, error %v, want %d", seed, len(got), err, size)
	}
}

func (w *world) wantError(s *Store, addr block.Address, want error) {
	w.t.Helper()
	if n, err := s.ReadAt(w.t.Context(), addr, make([]byte, 100), 0); !errors.Is(err, want) || n != 0 {
		w.t.Fatalf("read %d bytes, error %v, want %v", n, err, want)
	}
}

// compactAll runs steps until nothing is left to do.
func (w *world) compactAll(s *Store) (removed int) {
	w.t.Helper()
	for range 10_000 {
		p, more, err := s.CompactStep(w.t.Context())
		if err != nil {
			w.t.Fatalf("compact: %v", err)
		}
		if p.Removed {
			removed++
		}
		if !more {
			return removed
		}
	}
	w.t.Fatal("compaction does not end")
	return 0
}

// dump is the index in words: entries first, then segments.
func dump(d *dir) string {
	var b strings.Builder
	x := d.index
	err := x.walk([]byte{keyBlock}, []byte{keyBlock + 1}, func(k, v []byte) (bool, error) {
		addr, err := parseBlockKey(k)
		if err != nil {
			return false, err
		}
		e, err := decodeEntry(v)
		fmt.Fprintf(&b, "%s/%s %+v\n", addr.Hash.String()[:8], addr.Bucket, e)
		return true, err
	})
	if err != nil {
		return err.Error()
	}
	states, err := x.segments()
	if err != nil {
		return err.Error()
	}
	for _, seg := range slices.Sorted(maps.Keys(states)) {
		fmt.Fprintf(&b, "segment %d end %d live %d\n", seg, states[seg].end, states[seg].live)
	}
	return b.String()
}

// infos are the live copies of a store.
func infos(t *testing.T, s block.Store) map[block.Address]block.Info {
	t.Helper()
	all := map[block.Address]block.Info{}
	if err := s.Each(context.WithoutCancel(t.Context()), id.Hash{}, func(i block.Info) bool {
		all[i.Address] = i
		return true
	}); err != nil {
		t.Fatalf("each: %v", err)
	}
	return all
}

// checkLive compares the counts of live bytes with the entries.
func checkLive(t *testing.T, s *Store) {
	t.Helper()
	for _, d := range s.dirs {
		want := map[uint64]int64{}
		if err := d.index.walk([]byte{keyBlock}, []byte{keyBlock + 1}, func(_, v []byte) (bool, error) {
			e, err := decodeEntry(v)
			e.refs(func(seg uint64, n int64) { want[seg] += n })
			return true, err
		}); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		for id, seg := range d.mu.segs {
			if seg.state.live != want[id] {
				t.Errorf("segment %d counts %d live bytes, want %d", id, seg.state.live, want[id])
			}
		}
		d.mu.Unlock()
	}
}

func TestKeepsTheContractOfBlockStores(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		blocktest.Run(t, func(t *testing.T) block.Store {
			w := newWorld(t)
			s := w.open()
			t.Cleanup(func() { checkLive(t, s); w.close(s) })
			return s
		})
	})
	t.Run("on two real disks", func(t *testing.T) {
		blocktest.Run(t, func(t *testing.T) block.Store {
			w := newWorld(t)
			w.opts.FS, w.opts.SegmentBytes = nil, 4<<20
			w.opts.Dirs = []DirOptions{{Path: t.TempDir() + "/a"}, {Path: t.TempDir() + "/b"}}
			s := w.open()
			t.Cleanup(func() { checkLive(t, s); w.close(s) })
			return s
		})
	})
}

func TestReopenedStoreHasEverything(t *testing.T) {
	w := newWorld(t)
	var before string
	w.during(func(s *Store) {
		for i := range uint64(40) {
			w.put(s, i, int(i)*5000, 1)
		}
		w.delete(s, blocktest.Addr(1, blocktest.Data(3, 15000)), 2)
		w.put(s, 4, 20000, 7)
		before = dump(s.dirs[0])
	})
	w.opts.Events.Recovered = func(_ Disk, r Recovery) { t.Errorf("recovered %+v after a clean stop, want nothing", r) }
	w.during(func(s *Store) {
		if got := dump(s.dirs[0]); got != before {
			t.Errorf("index after reopening\n%s\nwant\n%s", got, before)
		}
		for i := range uint64(40) {
			if i != 3 {
				w.wantBlock(s, i, int(i)*5000)
			}
		}
		checkLive(t, s)
	})
}

func TestCleanRestartGoesOnInTheSameSegment(t *testing.T) {
	w := newWorld(t)
	for i := range uint64(10) {
		w.during(func(s *Store) {
			w.put(s, i, 1000, 1)
			if st := s.Stats()[0]; st.Segments != 1 {
				t.Fatalf("%d segments after start %d, want 1", st.Segments, i)
			}
		})
	}
}

func TestRebuiltIndexIsTheSame(t *testing.T) {
	w := newWorld(t)
	var before string
	w.during(func(s *Store) {
		var addrs []block.Address
		for i := range uint64(60) {
			addrs = append(addrs, w.put(s, i, 20_000, 1))
		}
		for i, a := range addrs {
			switch i % 4 {
			case 0:
				w.delete(s, a, 5)
			case 1:
				w.put(s, uint64(i), 20_000, 6)
			case 2:
				w.delete(s, a, 5)
				w.put(s, uint64(i), 20_000, 3)
			}
		}
		w.compactAll(s)
		for i, a := range addrs {
			if i%8 < 3 {
				w.delete(s, a, 9)
			}
		}
		w.compactAll(s)
		checkLive(t, s)
		before = dump(s.dirs[0])
	})
	w.opts.Rebuild = true
	w.during(func(s *Store) {
		if got := dump(s.dirs[0]); got != before {
			t.Errorf("rebuilt index\n%s\nwant\n%s", got, before)
		}
		checkLive(t, s)
	})
}

func TestPutToACorruptCopyReplacesIt(t *testing.T) {
	w := newWorld(t)
	w.during(func(s *Store) {
		addr := w.put(s, 1, 50_000, 4)
		w.put(s, 2, 50_000, 4)
		e, _, _ := s.dirs[0].lookup(addr)
		flip(t, w.opts.FS, s.dirs[0].segmentPath(e.at.seg), e.at.off+20_000)
		w.wantError(s, addr, block.ErrCorrupt)
		if _, err := s.Stat(t.Context(), addr); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("stat error %v, want ErrCorrupt", err)
		}
		if _, listed := infos(t, s)[addr]; listed {
			t.Error("a corrupt copy is listed, want it left out")
		}
		w.put(s, 1, 50_000, 2)
		w.wantBlock(s, 1, 50_000)
		if info, _ := s.Stat(t.Context(), addr); info.Epoch != 4 {
			t.Errorf("epoch %d of the new copy, want the 4 of the old", info.Epoch)
		}
		checkLive(t, s)
	})
	w.during(func(s *Store) { w.wantBlock(s, 1, 50_000) })
}

// flip inverts one bit of a file.
func flip(t *testing.T, fsys vfs.FS, path string, off int64) {
	t.Helper()
	f, err := fsys.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatalf("read %s at %d: %v", path, off, err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBlocksGoToTheDirectoryWithTheLargestFreeShare(t *testing.T) {
	w := newWorld(t)
	w.opts.Dirs = []DirOptions{{Path: "/small", CapacityBytes: 64 << 20}, {Path: "/big", CapacityBytes: 192 << 20}}
	w.during(func(s *Store) {
		for i := range uint64(160) {
			w.put(s, 2*i+1, 100_000, 1)
		}
		small, big := s.Stats()[0].Live, s.Stats()[1].Live
		if share := float64(small) / float64(small+big); share < 0.2 || share > 0.3 {
			t.Errorf("the small disk got the share %.2f, want about a quarter", share)
		}
	})
}

func TestPutWaitingForTheAppenderHonoursItsContext(t *testing.T) {
	w := newWorld(t)
	gate := &gateFS{FS: w.opts.FS, hit: make(chan struct{}, 1), open: make(chan struct{})}
	w.opts.FS = gate
	s := w.open()
	w.put(s, 100, 1000, 1)
	gate.armed.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { w.put(s, 1, 1000, 1) })
	<-gate.hit // the appender hangs in a sync
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	data := blocktest.Data(2, 1000)
	if err := s.Put(ctx, blocktest.Addr(1, data), 1, data); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v, want context.DeadlineExceeded", err)
	}
	gate.armed.Store(false)
	close(gate.open)
	wg.Wait()
	w.wantBlock(s, 1, 1000)
	w.wantError(s, blocktest.Addr(1, data), block.ErrNotFound)
	w.close(s)
}

// gateFS lets the next sync of a segment hang until open is closed.
type gateFS struct {
	vfs.FS
	armed atomic.Bool
	hit   chan struct{}
	open  chan struct{}
}

func (g *gateFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.OpenReadWrite(name, c, o...)
	return gateFile{f, g}, err
}

type gateFile struct {
	vfs.File
	g *gateFS
}

func (f gateFile) SyncData() error {
	if f.g.armed.Load() {
		f.g.hit <- struct{}{}
		<-f.g.open
	}
	return f.File.SyncData()
}

func TestCallsAfterCloseAreRefused(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	w.close(s)
	if err := s.Put(t.Context(), block.Address{}, 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("put: %v, want ErrClosed", err)
	}
	if err := s.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("close: %v, want ErrClosed", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.during(func(s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx); err != nil {
			t.Errorf("run: %v, want nil", err)
		}
	})
}

func TestRunMakesDeletesAndTheIndexDurable(t *testing.T) {
	codecs() // they outlive the bubble
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.during(func(s *Store) {
			d := s.dirs[0]
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			w.delete(s, w.put(s, 1, 1000, 1), 2)
			if !d.unsynced.Load() || !d.indexDirty.Load() {
				t.Fatal("all is durable at once, want a delete and the index to wait")
			}
			time.Sleep(syncEvery + time.Second)
			if d.unsynced.Load() {
				t.Errorf("the delete is not synced after %v", syncEvery)
			}
			time.Sleep(flushEvery)
			if d.indexDirty.Load() {
				t.Errorf("the index is not flushed after %v", flushEvery)
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v, want nil", err)
			}
		})
	})
}

func readFile(t *testing.T, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
